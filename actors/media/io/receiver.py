"""Reading datagrams, each with the time at which it reached this machine, in few wake-ups.

While the plane forwards one packet to a thousand viewers, or rests to take several at once, others arrive. Publishers
estimate their bandwidth from the reported arrival times (transport-wide feedback), so these are the kernel's.
"""

import contextlib
import math
import socket
import time
from bisect import bisect_left
from collections.abc import Callable

import trio

from actors.media.io.datagrams import SLOTS, Datagrams
from actors.media.io.rest_timer import RestTimer
from actors.media.io.sockets import UdpSocket
from actors.media.io.standing_queue import StandingQueue
from actors.media.io.wakeup_coalescing import WakeupCoalescer

MAX_DRAIN = 128  # datagrams read from one socket before others get their turn

_SO_TIMESTAMPNS = 35  # Linux; the socket module has no name for it
_STEP = 0.25  # seconds by which the wall clock moves against ours from one look to the next only when somebody sets it


class Receiver:
    """One socket's datagrams.

    `take` gets them in groups, in the order in which they came, each with its source and its arrival time in seconds
    of `clock`: never later than now, nor earlier than the previous one's, nor before the socket was last found empty.
    """

    def __init__(
        self,
        udp: UdpSocket,
        clock: Callable[[], float],
        take: Callable[[Datagrams], None],
        datagrams: Datagrams | None = None,
    ) -> None:
        self.coalescer = WakeupCoalescer()
        self.queue = StandingQueue()
        self.rests = 0
        self.oldest = math.inf
        """When the first datagram of the last `drain` came; math.inf without one."""
        self._udp = udp
        self._family = int(udp.family)
        self._clock = clock
        self._take = take
        self._datagrams = datagrams or Datagrams()
        self._timer = RestTimer()
        self._ahead = math.inf  # of the clock that the kernel uses; unknown before the first look
        self._earliest = -math.inf
        with contextlib.suppress(OSError):  # without the kernel's times it is our own
            udp.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)

    async def wait(self) -> None:
        """Wait until something can be read, or for a rest in which several packets come together."""
        until = self.coalescer.rest_until
        rest = until - self._clock() if until > -math.inf else 0
        if self._datagrams.has_more:
            await trio.lowlevel.checkpoint()
        elif rest > 0:
            self.rests += 1
            await self._timer.sleep(rest)
        else:
            await trio.lowlevel.wait_readable(self._udp)

    def drain(self, woke_at: float, most: int = MAX_DRAIN) -> int:
        """Take what waits, at most `most` datagrams; returns how many. `woke_at`: about now. Raises OSError."""
        total, is_all, self.oldest = 0, False, math.inf
        while total < most and not is_all:
            room = min(most - total, SLOTS)
            count = self._datagrams.receive(self._udp, self._family, room)
            is_all = count < room
            total += count
            self._date(self._clock())
            if is_all:
                self._earliest = max(self._earliest, woke_at)
            if count:
                self.oldest = min(self.oldest, self._datagrams.arrivals[0])
                self._take(self._datagrams)
        self.coalescer.took(total, woke_at, is_all=is_all)
        self.queue.took(woke_at, self._earliest, is_all=is_all)
        return total

    def close(self) -> None:
        """The socket is not closed: it is the caller's."""
        self._timer.close()

    def _date(self, now: float) -> None:
        """Give each datagram that was read its time, and drop those that are too late."""
        datagrams, earliest = self._datagrams, self._earliest
        ahead, was_set = self._look_at_clock(now)
        arrivals = []
        for seconds, nanoseconds in datagrams.stamps():
            arrival = now if was_set or not seconds else seconds + nanoseconds * 1e-9 - ahead
            earliest = arrival if earliest <= arrival <= now else max(earliest, min(arrival, now))
            arrivals.append(earliest)
        datagrams.arrivals, self._earliest = arrivals, earliest
        datagrams.first = bisect_left(arrivals, self.queue.drop_before)
        self.queue.drops += datagrams.first

    def _look_at_clock(self, now: float) -> tuple[float, bool]:
        """How far the kernel's clock is ahead of ours, and whether it was set since the last look.

        If it was, the timestamp of a waiting datagram may be from either setting.
        """
        ahead = time.time() - now
        was_set = abs(ahead - self._ahead) > _STEP
        self._ahead = ahead
        return ahead, was_set
