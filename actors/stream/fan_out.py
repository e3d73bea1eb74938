"""Passes events to many receivers, such as the players of one publication, a slice at a time.

An event for a large audience is a lot of work. It is done in slices, so that everything else, above all the media, gets
a turn in between. An event that arrives meanwhile waits behind it, so each receiver gets events in order.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, Generic, Protocol, TypeVar

import trio

from protocol.stream.events import EventTally

SLICE: Final = 10
"""Receivers to tell in one go."""
MAX_WAITING: Final = 64
"""Events of one publication that may wait. At this number the publisher's next event should be refused."""


class Tallied(Protocol):
    """An event; with a tally, its receivers are counted."""

    @property
    def tally(self) -> EventTally | None: ...


E = TypeVar("E", bound=Tallied)
E_contra = TypeVar("E_contra", contravariant=True)


class Listener(Protocol[E_contra]):
    """A receiver of events, such as a player."""

    def pass_event(self, event: E_contra) -> None: ...


class EventFanOut(Generic[E]):
    """The events of one sender that have not reached all their receivers yet."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[E, Iterator[Listener[E]]]] = deque()
        self._running = False

    @property
    def is_full(self) -> bool:
        """Whether to accept no more events for now."""
        return len(self._waiting) >= MAX_WAITING

    @property
    def is_idle(self) -> bool:
        """Whether every event has reached all its receivers."""
        return not self._waiting

    def add(self, event: E, listeners: Iterable[Listener[E]]) -> bool:
        """Tell the first slice, unless other events wait. True: the caller must have `run` do the rest."""
        self._waiting.append((event, iter(tuple(listeners))))
        if self._running:
            return False
        self._tell_slice()
        self._running = bool(self._waiting)
        return self._running

    async def run(self) -> None:
        """Tell the rest, yielding to other tasks after each slice."""
        try:
            while self._waiting:
                await trio.lowlevel.checkpoint()
                self._tell_slice()
        finally:
            self._running = False

    def clear(self) -> None:
        """Drop all events: the sender is over."""
        while self._waiting:
            self._finish_first()

    def _tell_slice(self) -> None:
        if not self._waiting:
            return
        event, listeners = self._waiting[0]
        told = 0
        for listener in islice(listeners, SLICE):
            listener.pass_event(event)
            told += 1
        if told < SLICE:
            self._finish_first()

    def _finish_first(self) -> None:
        event, _ = self._waiting.popleft()
        if event.tally is not None:
            event.tally.finish()
