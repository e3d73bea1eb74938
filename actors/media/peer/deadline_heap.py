"""When to wake each owner: one deadline per owner, and the earliest of all."""

import heapq
import itertools
import math
from typing import Generic, TypeVar

from attrs import define

T = TypeVar("T")


@define(eq=False)
class _Entry(Generic[T]):
    """A place in the heap. Without an owner it has been replaced or removed, and keeps no object alive."""

    when: float
    owner: T | None


class Deadlines(Generic[T]):
    """Deadlines move often. Moving one later costs a dictionary write; the heap is corrected when it comes up."""

    def __init__(self) -> None:
        self._wanted: dict[T, float] = {}
        self._entries: dict[T, _Entry[T]] = {}  # never later than what is wanted
        self._heap: list[tuple[float, int, _Entry[T]]] = []  # numbered: no two entries are compared
        self._number = itertools.count()

    @property
    def earliest(self) -> float:
        """No owner is due before this; math.inf when none waits."""
        heap = self._heap
        while heap and heap[0][2].owner is None:
            heapq.heappop(heap)
        return heap[0][0] if heap else math.inf

    def entered(self, owner: T) -> float:
        """When the owner is looked at next: its deadline, or before that; math.inf if it has none."""
        entry = self._entries.get(owner)
        return math.inf if entry is None else entry.when

    def set(self, owner: T, when: float) -> None:
        """Wake `owner` at `when`, whatever was set before; math.inf for never."""
        self._wanted[owner] = when
        entry = self._entries.get(owner)
        if entry is None or when < entry.when:
            self._discard(owner)
            self._push(owner, when)

    def remove(self, owner: T) -> None:
        self._wanted.pop(owner, None)
        self._discard(owner)

    def due(self, now: float) -> list[T]:
        """Those whose time has come; each is to be `set` again, or never comes back."""
        owners: list[T] = []
        while self._heap and self._heap[0][0] <= now:
            owner = heapq.heappop(self._heap)[2].owner
            if owner is None:
                continue
            del self._entries[owner]
            if self._wanted[owner] <= now:
                owners.append(owner)
            else:
                self._push(owner, self._wanted[owner])
        return owners

    def _push(self, owner: T, when: float) -> None:
        if when < math.inf:
            self._entries[owner] = entry = _Entry(when, owner)
            heapq.heappush(self._heap, (when, next(self._number), entry))

    def _discard(self, owner: T) -> None:
        entry = self._entries.pop(owner, None)
        if entry is not None:
            entry.owner = None
