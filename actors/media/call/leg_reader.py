"""Reads the ports of all phones' ends, in one task, and wakes these ends in time."""

import math
import selectors
from collections.abc import Callable
from typing import Final, Protocol

import trio

from actors.media.call.port_pairs import PortPair
from actors.media.context import MediaContext
from actors.media.guard import PeerGuard
from actors.media.io.rest_timer import RestTimer
from actors.media.io.sockets import UdpSocket
from actors.media.io.wakeup_coalescing import WakeupCoalescer
from actors.media.peer.deadline_heap import Deadlines
from protocol.stream.info_texts import StreamInfo

MAX_ROUNDS: Final = 32
"""Packets read from one port before other tasks get their turn."""
_LARGEST: Final = 2_048

Address = tuple[str, int]
Take = Callable[[bytes, Address, float], None]


class Woken(Protocol):
    """What is woken in time: a phone's end, or what is sent to it."""

    @property
    def session_id(self) -> str: ...
    @property
    def deadline(self) -> float: ...
    def on_time(self, now: float) -> None: ...
    def fail(self, info: StreamInfo) -> None: ...


class ReadLeg(Woken, Protocol):
    """A phone's end, as its reader sees it."""

    def on_rtp(self, data: bytes, source: Address, now: float) -> None: ...
    def on_rtcp(self, data: bytes, source: Address, now: float) -> None: ...
    def close(self) -> None: ...


class LegReader:
    """All open phones' ends. `after` is called when packets have been handled."""

    def __init__(self, context: MediaContext, guard: PeerGuard, after: Callable[[], None]) -> None:
        self._context = context
        self._guard = guard
        self._after = after
        self._legs: set[ReadLeg] = set()
        self._selector = selectors.DefaultSelector()
        self._deadlines: Deadlines[Woken] = Deadlines()
        self._coalescer = WakeupCoalescer()
        self._timer = RestTimer()
        self._sleep: trio.CancelScope | None = None

    def add(self, leg: ReadLeg, pair: PortPair) -> None:
        self._legs.add(leg)
        self._selector.register(pair.rtp, selectors.EVENT_READ, (pair.rtp, leg, leg.on_rtp))
        self._selector.register(pair.rtcp, selectors.EVENT_READ, (pair.rtcp, leg, leg.on_rtcp))

    def remove(self, leg: ReadLeg, pair: PortPair) -> None:
        self._legs.discard(leg)
        self._selector.unregister(pair.rtp)
        self._selector.unregister(pair.rtcp)
        self._deadlines.remove(leg)

    def forget(self, woken: Woken) -> None:
        """Wake it no more. Idempotent."""
        self._deadlines.remove(woken)

    def schedule(self, woken: Woken) -> None:
        """Its deadline may have changed."""
        self._deadlines.set(woken, woken.deadline)
        when = self._context.loop_time(woken.deadline)
        if self._sleep is not None and when < self._sleep.deadline:
            self._sleep.deadline = when

    async def run(self) -> None:
        """Until cancelled; then all ends are closed."""
        try:
            while True:
                with trio.CancelScope(deadline=self._context.loop_time(self._deadlines.earliest)) as self._sleep:
                    await self._wait()
                self._sleep = None
                self._context.counters.wake_ups += 1
                self._read()
                self._look_at_deadlines()
                self._after()
        finally:
            for leg in tuple(self._legs):
                self._guard.run(leg.close)
            self._selector.close()
            self._timer.close()

    async def _wait(self) -> None:
        """Until something can be read, or for a rest in which packets of several calls come together."""
        rest = self._coalescer.rest_until - self._context.clock()
        if rest > 0:
            await self._timer.sleep(rest)
        else:
            await trio.lowlevel.wait_readable(self._selector)

    def _read(self) -> None:
        """One packet from each port that has one, until none has: the call that finds nothing is made once for all."""
        woke_at, total, ready = self._context.clock(), 0, self._selector.select(0)
        for _ in range(MAX_ROUNDS):
            if not ready:
                break
            for key, _ in ready:
                total += self._read_one(*key.data)
            ready = self._selector.select(0)
        self._coalescer.took(total, woke_at, is_all=not ready)

    def _read_one(self, udp: UdpSocket, leg: ReadLeg, take: Take) -> int:
        """A leg that has ended in this round has closed its sockets."""
        try:
            data, source = udp.recvfrom(_LARGEST)
        except OSError:  # a port that nobody listens at (ICMP), or it has just been closed
            return 0
        self._guard.run(self._hand_over, leg, take, data, source[:2])
        return 1

    def _hand_over(self, leg: ReadLeg, take: Take, data: bytes, source: Address) -> None:
        self._guard.current = leg
        self._context.counters.datagrams += 1
        take(data, source, self._context.clock())

    def _look_at_deadlines(self) -> None:
        now = self._context.clock()
        self._context.look_for_standstill(now)
        if self._deadlines.earliest <= now:
            for woken in self._deadlines.due(now):
                self._guard.run(self._on_time, woken, now)

    def _on_time(self, woken: Woken, now: float) -> None:
        self._guard.current = woken
        woken.on_time(now)
        if woken.deadline < math.inf:
            self._deadlines.set(woken, woken.deadline)
