"""Work on many things a slice at a time, so that other tasks, media above all, get their turn in between."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from types import TracebackType
from typing import Final, Generic, Protocol, TypeVar

import trio

from actors.runtime.young_objects import CollectionPace

T = TypeVar("T")

SLICES_PER_COLLECTION: Final = 4
"""A short work, such as to tell 200 clients, is to wait for few collections."""
FREED_AT_ONCE: Final = 500
"""Objects that nobody needs any more, freed before other tasks get a turn."""


class Sends(Protocol):
    """What is to be sent to one client."""

    def release(self) -> None:
        """The slice is over: send what was held. Must not raise."""


class HeldSends:
    """Holds what is sent during a slice until its end, so that what one client gets leaves by one system call."""

    def __init__(self) -> None:
        self.is_slice = False
        """Whether what is sent now is to be held: then it is to be added."""
        self._held: dict[Sends, None] = {}

    def add(self, sends: Sends) -> None:
        """It is released at the end of the slice."""
        self._held[sends] = None

    def release_all(self) -> None:
        """The slice is over."""
        self.is_slice = False
        held, self._held = self._held, {}
        for sends in held:
            sends.release()


class Turns:
    """Long works that share one do their slices by turns: each in `async with turns:`, which is a checkpoint too.

    A slice waits for nothing. What it sends to one client leaves together, at its end.
    """

    def __init__(self) -> None:
        self.held = HeldSends()
        self._lock = trio.StrictFIFOLock()
        self._collections = CollectionPace(SLICES_PER_COLLECTION)
        self._is_urgent = False

    async def __aenter__(self) -> None:
        await self._lock.acquire()
        self.held.is_slice = True

    def hurry(self) -> None:
        """Called in a slice: no collection is to follow it, for others wait for the next ones."""
        self._is_urgent = True

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.held.release_all()
            if not self._is_urgent:
                self._collections.step()
        finally:  # a crash must not keep the others from their turns
            self._is_urgent = False
            self._lock.release()


def slices(items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """`items` in tuples of `size`, the last one shorter. The caller must have a checkpoint after each."""
    remaining = iter(items)
    return iter(lambda: tuple(islice(remaining, size)), ())


def used_up(items: Iterable[T]) -> Iterator[T]:
    """`items`, each forgotten once it was given: to free thousands at once would hold up the others, too.

    The caller must keep none of them.
    """
    left = list(items)
    left.reverse()
    return _popped(left)


def _popped(left: list[T]) -> Iterator[T]:
    while left:
        yield left.pop()


class StandingSnapshot(Generic[T]):
    """What there is at one moment, again and again, to be gone through in slices: one list for all times.

    A collection of young objects looks at whatever they refer to, and a new list of thousands is one of them.
    """

    def __init__(self) -> None:
        self._left: list[T] = []

    def slices_of(self, items: Iterable[T], size: int) -> Iterator[Sequence[T]]:
        """As `slices`, of the `items` that are there now; none of those of the last time is left. Nothing is kept."""
        left = self._left
        left.clear()
        left.extend(items)
        left.reverse()
        return iter(lambda: self._next(size), [])

    def _next(self, size: int) -> Sequence[T]:
        some = self._left[-size:]
        del self._left[-size:]
        some.reverse()
        return some


async def let_go(items: list[T]) -> None:
    """Empty the list, some at a time, for the same reason."""
    while items:
        del items[-FREED_AT_ONCE:]
        await trio.lowlevel.checkpoint()


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
