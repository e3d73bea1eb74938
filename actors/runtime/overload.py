"""Whether the server has more work than it can do in time: then it accepts nothing new, so that what runs continues.

The measure is the lag of the event loop: how late a task gets its turn. All media is delayed by as much. A single long
delay is not overload, several in a row are; overload ends when the lag has been below half the limit for a while.

A delay of more than a second is a standstill: trio's clock stood still as well (`actors.runtime.loop_clock`).
"""

import math
from collections.abc import Callable
from typing import Final

import trio

from actors.runtime.logs import get_logger
from actors.runtime.loop_clock import Standstills, real_time
from actors.runtime.young_objects import collect_young
from protocol.metrics.histogram import DELAYS, Histogram

log = get_logger("overload")

TICK: Final = 0.05
"""Seconds between two measurements, once the lag is noticeable."""
CALM_TICK: Final = 0.25
"""The same while it is not: each measurement is a wake-up."""
CALM_LAG: Final = 0.01
"""Seconds; a smoothed lag below this is not noticeable."""
WEIGHT: Final = 0.2
"""Weight of the latest measurement in the smoothed lag."""
LONG_STANDSTILL: Final = 2.0
"""Seconds of a standstill after which what clocks elsewhere wait for is done at once."""
HOLD: Final = 2.0
"""Seconds below half the limit, after which an overload is over."""


class Overload:
    """Measures the loop's lag while `run` does; `limit` is in seconds, math.inf for none."""

    def __init__(self, limit: float) -> None:
        self.lag = 0.0
        """Smoothed, in seconds."""
        self.refused = 0
        """How much was refused because of overload."""
        self.is_on = False
        """Whether the server is overloaded now."""
        self.lags = Histogram(DELAYS)
        """All measurements, each once for every `TICK` since the one before: those of calm times count as much."""
        self.limit = limit
        self.stood_still = 0.0
        """Seconds of all standstills."""
        self.after_standstill: list[Callable[[], None]] = []
        """Called after each of at least `LONG_STANDSTILL`; they may not fail."""
        self._calm_since = math.inf
        self._measured_at = -math.inf

    async def run(self) -> None:
        """Measure until cancelled."""
        standstills = Standstills()
        while True:
            tick = CALM_TICK if self.lag < CALM_LAG else TICK
            due = real_time() + tick
            await trio.sleep(tick)
            now = real_time()
            self.note(now - due, now)
            collect_young()  # the loop is awake anyway
            if seconds := standstills.look():
                self._tell_standstill(seconds)

    def refuses(self) -> bool:
        """Whether to refuse new work now; counts the refusal."""
        self.refused += self.is_on
        return self.is_on

    def note(self, lag: float, now: float) -> None:
        """A task got its turn `lag` seconds late."""
        self.lags.observe(lag, times=self._ticks_until(now))
        # One long delay counts as at most twice the limit: only four in a row are overload.
        self.lag += WEIGHT * (min(lag, 2 * self.limit) - self.lag)
        if self.lag > self.limit / 2:
            self._calm_since = now
        if not self.is_on and self.lag > self.limit:
            self.is_on = True
            log.warning("overload: nothing new is taken on", lag_ms=self.lag_ms, setting="overload.max_loop_lag")
        elif self.is_on and now - self._calm_since >= HOLD:
            self.is_on = False
            log.info("overload is over", lag_ms=self.lag_ms, refused=self.refused)

    def _tell_standstill(self, seconds: float) -> None:
        self.stood_still += seconds
        log.warning("the server stood still: nobody's silence of that time counts", seconds=round(seconds, 1))
        for act in self.after_standstill if seconds >= LONG_STANDSTILL else ():
            act()

    def _ticks_until(self, now: float) -> int:
        since, self._measured_at = self._measured_at, now
        return max(1, round((now - since) / TICK)) if since > -math.inf else 1

    @property
    def lag_ms(self) -> int:
        """The smoothed lag in whole milliseconds."""
        return round(self.lag * 1000)

    def statistics(self) -> dict[str, int]:
        """For the server's statistics."""
        return {"loop_lag_ms": self.lag_ms, "overloaded": int(self.is_on), "refused_by_overload": self.refused}
