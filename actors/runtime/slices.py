"""Work on many things a slice at a time, so that other tasks, media above all, get their turn in between."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

import trio

T = TypeVar("T")

Turns = trio.StrictFIFOLock
"""Long works that share one do their slices by turns: each in `async with turns:`, which is a checkpoint too."""


def slices(items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """`items` in tuples of `size`, the last one shorter. The caller must have a checkpoint after each."""
    remaining = iter(items)
    return iter(lambda: tuple(islice(remaining, size)), ())


class SliceBudget:
    """How much one slice may do: steps of a total `cost`, and none that would begin after `seconds`.

    The cost bounds a slice on a fast machine, the clock on one that is slow or busy.
    """

    def __init__(self, cost: int, seconds: float, clock: Callable[[], float] = trio.current_time) -> None:
        self._left = cost
        self._clock = clock
        self._until = clock() + seconds

    def spend(self, cost: int) -> None:
        """A step was done."""
        self._left -= cost

    @property
    def is_spent(self) -> bool:
        """Whether the rest is for the next slice."""
        return self._left <= 0 or self._clock() >= self._until
