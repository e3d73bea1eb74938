"""The task that looks at the deadlines of peers, beside those that do so after each packet."""

import math
from collections.abc import Callable
from typing import Final, Generic

import trio

from actors.media.context import MediaContext
from actors.media.peer.peer import P
from actors.media.peer.wake_up_times import PeerTimers
from actors.runtime.loop_clock import Standstills

PUT_OFF: Final = 0.02
"""Seconds by which the next deadline must have moved for the sleep until then to be changed."""


class TimeKeeper(Generic[P]):
    """`on_time` gets each peer whose deadline has come; `after` is called at each look."""

    def __init__(
        self, context: MediaContext, on_time: Callable[[P, float], None], after: Callable[[float], None]
    ) -> None:
        self.timers: PeerTimers[P] = PeerTimers(self._wake_by)
        self.beats = 0
        self._context = context
        self._on_time, self._after = on_time, after
        self._standstills = Standstills()
        self._sleep: trio.CancelScope | None = None
        self._until = math.inf  # of the sleep, by the media's clock

    def poke(self) -> None:
        """Have the task show that it goes on: `beats` grows."""
        if self._sleep is not None:
            self._sleep.cancel()

    async def run(self) -> None:
        """Wait for the earliest deadline, and see to it, until cancelled."""
        while True:
            with trio.CancelScope() as self._sleep:
                self._sleep_until(self.timers.earliest)
                await trio.sleep_forever()
            self._sleep = None
            self.beats += 1
            self._context.counters.wake_ups += 1
            self.look(self._context.clock())

    def look(self, now: float) -> None:
        """Do what is due; after each wake-up for packets too, so that few wake-ups are needed for deadlines alone."""
        timers = self.timers
        if self._standstills.look():
            self._until = math.inf
        self._context.look_for_standstill(now)
        earliest = timers.earliest
        if earliest <= now:
            for peer in timers.due(now):
                self._on_time(peer, now)
            earliest = timers.earliest
        self._after(now)
        if self._sleep is not None and not 0 <= earliest - self._until < PUT_OFF:
            self._sleep_until(earliest)

    def _wake_by(self, when: float) -> None:
        if self._sleep is not None and when < self._until:
            self._sleep_until(when)

    def _sleep_until(self, when: float) -> None:
        if self._sleep is not None:
            self._until = when
            self._sleep.deadline = self._context.loop_time(when)
