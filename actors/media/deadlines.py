"""Who is to be woken when: one deadline an owner, the earliest at hand."""

import heapq
import itertools
import math
from typing import Generic, TypeVar

T = TypeVar("T")


class Deadlines(Generic[T]):
    """A deadline may be moved often: to move it later costs a dictionary write; the heap is put right when it wakes."""

    def __init__(self) -> None:
        self._wanted: dict[T, float] = {}
        self._queued: dict[T, float] = {}  # the entry of the heap that counts, never later than what is wanted
        self._heap: list[tuple[float, int, T]] = []
        self._number = itertools.count()

    @property
    def earliest(self) -> float:
        """Nobody is due before this; math.inf when nobody waits."""
        return self._heap[0][0] if self._heap else math.inf

    def set(self, owner: T, when: float) -> None:
        """Wake `owner` at `when`, whatever was set before; math.inf for never."""
        self._wanted[owner] = when
        if when < self._queued.get(owner, math.inf):
            self._push(owner, when)

    def remove(self, owner: T) -> None:
        self._wanted.pop(owner, None)
        self._queued.pop(owner, None)

    def due(self, now: float) -> list[T]:
        """Those whose time has come; each is to be `set` again, or never comes back."""
        owners: list[T] = []
        while self._heap and self._heap[0][0] <= now:
            when, _, owner = heapq.heappop(self._heap)
            if self._queued.get(owner) != when:
                continue  # replaced by an earlier entry, or removed
            del self._queued[owner]
            wanted = self._wanted[owner]
            if wanted <= now:
                owners.append(owner)
            elif wanted < math.inf:
                self._push(owner, wanted)
        return owners

    def _push(self, owner: T, when: float) -> None:
        self._queued[owner] = when
        heapq.heappush(self._heap, (when, next(self._number), owner))
