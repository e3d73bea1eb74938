"""Events on their way from one publication to all its players, a slice at a time.

An event of a large audience is much work. It is done in slices, between which everybody else has a turn, the media
above all; an event that comes meanwhile waits behind it, so each player hears of events in their order.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, Protocol

import trio

from protocol.stream.events import StreamEvent

SLICE: Final = 10
"""Players that are told in one go."""
MAX_WAITING: Final = 64
"""Events of one publication that may wait; a publisher that has that many is to be refused."""


class Listener(Protocol):
    """A player, as far as events go."""

    def pass_event(self, event: StreamEvent) -> None: ...


class EventFanOut:
    """The events of one publication that not all its players have heard of yet."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[StreamEvent, Iterator[Listener]]] = deque()
        self._running = False

    @property
    def is_full(self) -> bool:
        """Whether no more events should be taken now."""
        return len(self._waiting) >= MAX_WAITING

    def add(self, event: StreamEvent, listeners: Iterable[Listener]) -> bool:
        """Tell the first slice, unless others wait. True: the caller is to have `run` do the rest."""
        self._waiting.append((event, iter(tuple(listeners))))
        if self._running:
            return False
        self._tell_slice()
        self._running = bool(self._waiting)
        return self._running

    async def run(self) -> None:
        """Tell the rest, giving way to others after each slice."""
        try:
            while self._waiting:
                await trio.lowlevel.checkpoint()
                self._tell_slice()
        finally:
            self._running = False

    def clear(self) -> None:
        """Tell nobody any more: the publication is over."""
        self._waiting.clear()

    def _tell_slice(self) -> None:
        if not self._waiting:
            return
        event, listeners = self._waiting[0]
        told = 0
        for listener in islice(listeners, SLICE):
            listener.pass_event(event)
            told += 1
        if told < SLICE:
            self._waiting.popleft()
