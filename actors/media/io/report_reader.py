"""Reading receiver reports when it is cheap: right after media, or else a little later.

A viewer without reduced-size RTCP sends urgent feedback (a NACK, a key frame request) after a report in the same
encrypted datagram, which looks like a plain report. While there is such a viewer, all reports are read soon.
"""

import math
from collections.abc import Callable

import trio

from actors.media.io.receiver import MAX_DRAIN, Receiver
from actors.media.statistics import Counters

AT_LEAST = 0.2  # seconds between two reads, so that each finds several reports
AT_MOST = 0.25  # seconds that a report waits while no media comes
SOON = 0.02  # seconds for both, while something urgent may be among them


class ReportReader:
    """One report socket. `clock` gives seconds; `is_urgent` says whether there is such a viewer."""

    def __init__(
        self, receiver: Receiver, clock: Callable[[], float], counters: Counters, *, is_urgent: Callable[[], bool]
    ) -> None:
        self._receiver = receiver
        self._clock = clock
        self._counters = counters
        self._is_urgent = is_urgent
        self._sleep: trio.CancelScope | None = None
        self._taken = 0
        self._last_look = -math.inf
        self._is_behind = False

    def look(self, now: float) -> None:
        """Read what has come, unless the last look was a moment ago and left nothing."""
        if self._is_behind or now >= self._last_look + (SOON if self._is_urgent() else AT_LEAST):
            self._last_look = now
            self._is_behind = self._read(now) == MAX_DRAIN
            if self._sleep is not None:
                self._sleep.deadline = trio.current_time() + self._longest

    async def run(self) -> None:
        """Read reports where no media comes. While reports keep coming, none of them causes a wake-up.

        Nor is there one while they are read after media.
        """
        while True:
            await self._receiver.wait()
            before = -1
            while before != self._taken:
                before = self._taken
                self._counters.wake_ups += 1
                self._read(self._clock())
                with trio.CancelScope(deadline=trio.current_time() + self._longest) as self._sleep:
                    await trio.sleep_forever()
                self._sleep = None

    @property
    def _longest(self) -> float:
        """Seconds that a report may wait."""
        return SOON if self._is_urgent() else AT_MOST

    def _read(self, now: float) -> int:
        try:
            count = self._receiver.drain(now)
        except OSError:
            self._counters.receive_errors += 1
            return 0
        self._taken += count
        return count
