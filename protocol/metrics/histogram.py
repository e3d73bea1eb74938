"""Counts of measured values by size, in plain ints: cheap enough to be kept all the time."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

WAITS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0)
"""Seconds: for what waits for somebody else, such as hooks and HTTP requests."""
DELAYS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Seconds: for the event loop."""
LIVES: Final = (1.0, 10.0, 60.0, 300.0, 900.0, 3600.0, 7200.0, 14400.0)
"""Seconds: for sessions and streams."""


class Histogram:
    """Counts values by the least of `bounds`, in ascending order, that is not below them."""

    __slots__ = ("_bounds", "_counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value, so many times."""
        self._counts[bisect_left(self._bounds, value)] += times
        self.sum += value * times

    @property
    def count(self) -> int:
        return sum(self._counts)

    def cumulative(self) -> Iterator[tuple[float | None, int]]:
        """Each bound, None for the last, and how many values are not above it."""
        return zip((*self._bounds, None), accumulate(self._counts), strict=True)
