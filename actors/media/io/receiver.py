"""Reading datagrams, each with the time at which it reached this machine, in few wake-ups.

While the plane forwards one packet to a thousand viewers, or rests to take several at once, others arrive. Publishers
estimate their bandwidth from the reported arrival times (transport-wide feedback), so these are the kernel's.
"""

import contextlib
import math
import socket
import time
from collections.abc import Callable
from struct import Struct

import trio

from actors.media.io.sockets import UdpSocket
from actors.media.io.standing_queue import StandingQueue
from actors.media.io.wakeup_coalescing import WakeupCoalescer
from protocol.webrtc.stun import Address

MAX_DRAIN = 128  # datagrams read from one socket before others get their turn

_MAX_DATAGRAM = 2048  # more than any path carries in one piece
_SO_TIMESTAMPNS = 35  # Linux; the socket module has no name for it
_TIMESPEC = Struct("@ll")
_ROOM = socket.CMSG_SPACE(_TIMESPEC.size)
_STEP = 0.25  # seconds by which the wall clock moves against ours from one look to the next only when somebody sets it


class Receiver:
    """One socket's datagrams.

    `take` gets each with its source and its arrival time in seconds of `clock`: never later than now, nor earlier than
    the previous one's, nor before the socket was last found empty.
    """

    def __init__(
        self, udp: UdpSocket, clock: Callable[[], float], take: Callable[[bytes, Address, float], None]
    ) -> None:
        self.coalescer = WakeupCoalescer()
        self.queue = StandingQueue()
        self.rests = 0
        self._udp = udp
        self._clock = clock
        self._take = take
        self._ahead = math.inf  # of the clock that the kernel uses; unknown before the first look
        self._earliest = -math.inf
        with contextlib.suppress(OSError):  # without the kernel's times it is our own
            udp.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)

    async def wait(self) -> None:
        """Wait until something can be read, or for a rest in which several packets come together."""
        rest_until = self.coalescer.rest_until
        if self._clock() < rest_until:
            self.rests += 1
            await trio.sleep_until(rest_until)
        else:
            await trio.lowlevel.wait_readable(self._udp)

    def drain(self, most: int = MAX_DRAIN) -> int:
        """Take what waits, at most `most` datagrams; returns how many. Raises OSError."""
        woke_at = self._clock()
        count = self._take_waiting(most, woke_at)
        self.coalescer.took(count, woke_at, is_all=count < most)
        self.queue.took(woke_at, self._earliest, is_all=count < most)
        return count

    def _take_waiting(self, most: int, now: float) -> int:
        receive, take, unpack = self._udp.recvmsg, self._take, _TIMESPEC.unpack
        ahead, was_set = self._look_at_clock(now)
        drop_before = self.queue.drop_before
        for count in range(most):
            try:
                data, extra, _, source = receive(_MAX_DATAGRAM, _ROOM)
            except BlockingIOError:
                self._earliest = max(self._earliest, now)
                return count
            arrival = now
            if extra and not was_set:
                seconds, nanoseconds = unpack(extra[0][2])
                arrival = seconds + nanoseconds * 1e-9 - ahead
            if not self._earliest <= arrival <= now:
                arrival = self._bounded(arrival)
            self._earliest = arrival
            if arrival < drop_before:
                self.queue.drops += 1
            else:
                take(data, source, arrival)
        return most

    def _look_at_clock(self, now: float) -> tuple[float, bool]:
        """How far the kernel's clock is ahead of ours, and whether it was set since the last look.

        If it was, the timestamp of a waiting datagram may be from either setting.
        """
        ahead = time.time() - now
        was_set = abs(ahead - self._ahead) > _STEP
        self._ahead = ahead
        return ahead, was_set

    def _bounded(self, arrival: float) -> float:
        """A datagram that came after the wake-up is newer than it, but never newer than now."""
        return max(self._earliest, min(arrival, self._clock()))
