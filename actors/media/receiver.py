"""Reading datagrams, each with the time at which it came to this machine.

While the plane forwards one packet to a thousand viewers, or rests to take several at once, others arrive. Publishers
estimate their bandwidth from the times that they are told (transport-wide feedback), so these are the kernel's.
"""

import contextlib
import socket
import time
from collections.abc import Callable
from struct import Struct

from actors.media.sockets import UdpSocket
from protocol.webrtc.stun import Address

_MAX_DATAGRAM = 2048  # more than any path carries in one piece
_SO_TIMESTAMPNS = 35  # Linux; the socket module has no name for it
_TIMESPEC = Struct("@ll")
_ROOM = socket.CMSG_SPACE(_TIMESPEC.size)
_PLAUSIBLE = 1.0  # seconds; what claims to have come earlier, or later, tells of a wall clock that was set


class Receiver:
    """One socket's datagrams.

    `take` gets each with its source and the time of its arrival, never later than now, in seconds of `clock`.
    """

    def __init__(
        self, udp: UdpSocket, clock: Callable[[], float], take: Callable[[bytes, Address, float], None]
    ) -> None:
        self._udp = udp
        self._clock = clock
        self._take = take
        with contextlib.suppress(OSError):  # without the kernel's times it is our own
            udp.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)

    def drain(self, most: int) -> int:
        """Take what waits, at most so many datagrams; how many there were. Raises OSError."""
        receive, take, unpack = self._udp.recvmsg, self._take, _TIMESPEC.unpack
        now = self._clock()
        ahead = time.time() - now  # of the clock that the kernel uses
        for count in range(most):
            try:
                data, extra, _, source = receive(_MAX_DATAGRAM, _ROOM)
            except BlockingIOError:
                return count
            if extra:
                seconds, nanoseconds = unpack(extra[0][2])
                arrival = seconds + nanoseconds * 1e-9 - ahead
                if abs(arrival - now) > _PLAUSIBLE:
                    arrival = now
            else:
                arrival = now
            take(data, source, arrival)
        return most
