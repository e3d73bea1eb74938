"""Packets in the order of their numbers, with holes that are waited for a while.

The media plane asks the publisher for what is missing, so a hole is filled within a few round trips or never.
"""

from typing import Final, Generic, NamedTuple, TypeVar

PATIENCE: Final = 0.5
"""Seconds that a hole is waited for; longer than the plane goes on asking."""
MOST_WAITING: Final = 2048
"""Packets kept behind a hole; beyond that it is given up."""

T = TypeVar("T")


class Ordered(NamedTuple, Generic[T]):
    """The next item. `after_hole`: packets before it never came."""

    item: T
    after_hole: bool


class Reorder(Generic[T]):
    """Give it items as they come, by extended sequence number; take what is due in order."""

    def __init__(self) -> None:
        self.lost = 0
        """Packets given up."""
        self._next = -1
        self._waiting: dict[int, tuple[T, float]] = {}  # with when they came
        self._stuck_since = 0.0
        self._skipped = False

    def put(self, sequence: int, item: T, now: float) -> list[Ordered[T]]:
        """An item that came at `now`; what can go on because of it. Duplicates and what is too late are dropped."""
        if self._next < 0:
            self._next = sequence
        if sequence < self._next or sequence in self._waiting:
            return []
        if sequence != self._next:
            if not self._waiting:
                self._stuck_since = now
            self._waiting[sequence] = item, now
            return self.due(now)
        ready = [self._take(item)]
        return ready + self._follow() + self.due(now)

    def due(self, now: float) -> list[Ordered[T]]:
        """What goes on although packets before it are missing: they have been waited for long enough."""
        ready: list[Ordered[T]] = []
        while self._waiting and (now - self._stuck_since >= PATIENCE or len(self._waiting) > MOST_WAITING):
            self._skip()
            ready += self._follow()
        return ready

    def rest(self) -> list[Ordered[T]]:
        """All that is left, at the end."""
        ready: list[Ordered[T]] = []
        while self._waiting:
            self._skip()
            ready += self._follow()
        return ready

    def _skip(self) -> None:
        following = min(self._waiting)
        self.lost += following - self._next
        self._next, self._skipped = following, True

    def _follow(self) -> list[Ordered[T]]:
        ready = []
        while self._next in self._waiting:
            ready.append(self._take(self._waiting.pop(self._next)[0]))
        if ready and self._waiting:  # the next hole has been open since what is behind it came
            self._stuck_since = self._waiting[min(self._waiting)][1]
        return ready

    def _take(self, item: T) -> Ordered[T]:
        ordered = Ordered(item, self._skipped)
        self._next, self._skipped = self._next + 1, False
        return ordered
