"""Timers of a state machine that does not know the clock: what is due, and when the next is.

The time is passed in, in seconds of any monotonic clock.
"""

import heapq
import math
from collections.abc import Callable
from itertools import count

from attrs import define, field


@define(eq=False)
class Timer:
    """One of `Timers`. `cancel` may be called at any time, also afterwards."""

    when: float
    _action: Callable[[float], None] | None
    _timers: "Timers" = field(repr=False)

    @property
    def is_pending(self) -> bool:
        return self._action is not None

    def cancel(self) -> None:
        """It does not happen, unless it has already."""
        if self._action is not None:
            self._action = None
            self._timers.note_cancelled()

    def fire(self, now: float) -> None:
        """It happens."""
        action, self._action = self._action, None
        if action is not None:
            action(now)


class Timers:
    """See above. Cancelled ones leave the heap when they are due, or when they are the most of it."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._count = count()
        self._cancelled = 0

    def at(self, when: float, action: Callable[[float], None]) -> Timer:
        """Have `action` called with the time then."""
        timer = Timer(when, action, self)
        heapq.heappush(self._heap, (when, next(self._count), timer))
        return timer

    @property
    def deadline(self) -> float:
        """When `run` has something to do; math.inf: never."""
        while self._heap and not self._heap[0][2].is_pending:
            heapq.heappop(self._heap)
            self._cancelled = max(0, self._cancelled - 1)
        return self._heap[0][0] if self._heap else math.inf

    def run(self, now: float) -> None:
        """Call whatever is due, in order."""
        while self.deadline <= now and self._heap:
            heapq.heappop(self._heap)[2].fire(now)

    def note_cancelled(self) -> None:
        """One of them was cancelled."""
        self._cancelled += 1
        if self._cancelled > 64 and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].is_pending]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def __len__(self) -> int:
        return len(self._heap)
