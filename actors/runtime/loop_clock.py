"""The clock of the event loop, which stands still while the loop does.

After a second in which nothing ran (the process or the whole machine was stopped, or something took that long), timers
would fire before anybody has read what waits in the sockets, and peers would be judged dead although they have spoken.
So such time is left out, as CLOCK_MONOTONIC leaves out the time for which a machine is suspended: no timeout of trio's
counts it, and whoever judges a peer by its silence need not think of it.

What has to keep pace with clocks elsewhere takes `run_clock().real_time` instead: media, whose packets have arrival
times, how long a login lasts, and what is compared with Redis's clock.
"""

import time
from collections.abc import Callable
from typing import Final, Protocol

import trio

MOST_COUNTED: Final = 1.0
"""Seconds that count, at most, between two looks at the clock."""
LONGEST_WAIT: Final = 0.5
"""Seconds after which a loop with nothing to do looks at the clock all the same."""
_START: Final = 100_000.0
"""Not 0, so that what has never happened was long ago."""


class RunClock(Protocol):
    """The clock of a run of trio."""

    @property
    def left_out(self) -> float:
        """Seconds in which the loop stood still, and which `trio.current_time` has not counted."""

    def real_time(self) -> float:
        """Monotonic seconds that count them: `left_out` more than `trio.current_time`."""


class LoopClock(trio.abc.Clock):
    """For `trio.run`. `source` is a monotonic clock, in seconds."""

    def __init__(self, source: Callable[[], float] = time.monotonic) -> None:
        self.left_out = 0.0
        self._source = source
        self.start_clock()

    def start_clock(self) -> None:
        """The run begins."""
        self._seen = self._source()
        self._before = self._seen - _START

    def current_time(self) -> float:
        """Seconds since the start in which the loop went on."""
        now = self._source()
        if now - self._seen > MOST_COUNTED:
            self._leave_out(now)
        self._seen = now
        return now - self._before - self.left_out

    def real_time(self) -> float:
        """All seconds since the start."""
        now = self._source()
        if now - self._seen > MOST_COUNTED:
            self._leave_out(now)
        self._seen = now
        return now - self._before

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """How long trio may wait for its sockets, before it looks at the clock once more."""
        seconds = deadline - self.current_time()
        if seconds > LONGEST_WAIT:
            return LONGEST_WAIT
        return seconds

    def _leave_out(self, now: float) -> None:
        self.left_out += now - self._seen - MOST_COUNTED


class _PlainClock:
    """Any other clock of a run: it leaves nothing out."""

    left_out = 0.0

    def real_time(self) -> float:
        return trio.current_time()


_PLAIN: Final = _PlainClock()


def run_clock() -> RunClock:
    """The clock of this run; outside of any, one that leaves nothing out."""
    if not trio.lowlevel.in_trio_run():
        return _PLAIN
    clock = trio.lowlevel.current_clock()
    return clock if isinstance(clock, LoopClock) else _PLAIN


def real_time() -> float:
    """Seconds of this run's clock, with those that it has left out."""
    return run_clock().real_time()


class Standstills:
    """Notices that the loop of this run stood still since the last look."""

    def __init__(self) -> None:
        self._clock = run_clock()
        self._known = self._clock.left_out

    def look(self) -> float:
        """Seconds that were left out since the last look; 0 if the loop went on."""
        before, self._known = self._known, self._clock.left_out
        return self._known - before
