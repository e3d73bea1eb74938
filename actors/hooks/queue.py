"""The order of calls, and what is dropped when they pile up.

A `HookQueue` runs its entries one after the other, first come first served. It has a task only while it has entries. An
entry is either a `Notification`, sent by the queue's task, or a `Turn`: its owner waits for it and then does what it
likes in its own task, so that the owner's cancellation takes its call along.

What piles up before a backend that is slow or dead is bounded twice: by queue and in all. Dropped first is the oldest
plain notification, then the oldest one that tells of an end (of a stream, of a session); a `Turn` never is, for
somebody waits for it under a deadline.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import trio
from attrs import define, field

from protocol.hooks import Allow, HookMethod, Verdict

MAX_SIZE = 16 * 1024 * 1024
"""Characters that may wait in one queue: clients choose how large their events are."""
MAX_SIZE_OF_ALL = 256 * 1024 * 1024
"""Characters that may wait in all queues together."""


class Entry(Protocol):
    """Something that a queue runs in its turn."""

    async def run(self) -> None:
        """Take as long as the turn lasts."""

    def refuse(self) -> None:
        """The turn will never come: the queue is closed."""


@define(eq=False, kw_only=True)
class Turn:
    """The right to call, once everything before it is done."""

    granted: trio.Event = field(init=False, factory=trio.Event)
    refused: bool = field(init=False, default=False)
    _over: trio.Event = field(init=False, factory=trio.Event)

    async def run(self) -> None:
        self.granted.set()
        await self._over.wait()

    def refuse(self) -> None:
        self.refused = True
        self.granted.set()

    def end(self) -> None:
        """Let the next one have its turn."""
        self._over.set()


@define(eq=False, kw_only=True)
class Notification:
    """A call that nobody waits for, or not for long. `last` says that it tells of an end."""

    method: HookMethod
    body: dict[str, Any] = field(repr=False)
    session_id: str
    last: bool
    size: int
    """Of the body, in characters, about."""
    queue: "HookQueue"
    send: Callable[["Notification"], Awaitable[None]]
    on_verdict: Callable[[Verdict], None]

    async def run(self) -> None:
        self.queue.backlog.remove(self)
        await self.send(self)

    def refuse(self) -> None:
        self.queue.backlog.remove(self)
        self.on_verdict(Allow(body=self.body))


class Backlog:
    """Every notification that waits in any queue, oldest first, and the bound of them all."""

    def __init__(self, limit: int, *, on_drop: Callable[[Notification], None]) -> None:
        self.dropped = 0
        self.dropped_last = 0
        self._limit = limit
        self._on_drop = on_drop
        self._plain: OrderedDict[Notification, None] = OrderedDict()
        self._last: OrderedDict[Notification, None] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return len(self._plain) + len(self._last)

    def add(self, notification: Notification) -> None:
        """Count one more. If that is too much, the oldest that matter least go."""
        self._of_its_kind(notification)[notification] = None
        self._size += notification.size
        while len(self) > self._limit or self._size > MAX_SIZE_OF_ALL:
            self.drop(next(iter(self._plain or self._last)))

    def remove(self, notification: Notification) -> None:
        """It waits no more."""
        if self._of_its_kind(notification).pop(notification, self) is None:
            self._size -= notification.size

    def drop(self, notification: Notification) -> None:
        """Throw it away, unsent."""
        if notification.last:
            self.dropped_last += 1
        else:
            self.dropped += 1
        notification.queue.discard(notification)
        notification.refuse()
        self._on_drop(notification)

    def _of_its_kind(self, notification: Notification) -> OrderedDict[Notification, None]:
        return self._last if notification.last else self._plain


def body_size(value: object) -> int:
    """How much a JSON value takes, in characters, about; without writing it."""
    match value:
        case str():
            return len(value)
        case dict():
            return sum(len(key) + body_size(item) for key, item in value.items())
        case list() | tuple():
            return sum(map(body_size, value))
    return 8


class HookQueue:
    """The calls of one session (or of all, if the order is global): one at a time, in order.

    `start` begins a task that runs the queue; it is called whenever there is work and no such task.
    """

    def __init__(self, backlog: Backlog, *, limit: int, start: Callable[["HookQueue"], None]) -> None:
        self.backlog = backlog
        self._limit = limit
        self._start = start
        self._entries: OrderedDict[Entry, None] = OrderedDict()
        self._notifications = 0
        self._size = 0
        self._running = False

    def notify(self, notification: Notification) -> None:
        """Put a notification at the end; what that pushes out is dropped."""
        self._append(notification)
        self._count(notification, 1)
        self.backlog.add(notification)
        while self._notifications > self._limit or self._size > MAX_SIZE:
            self.backlog.drop(self._least())

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """A place at the end of the queue, given back on leaving; wait for `granted`, then look at `refused`."""
        turn = Turn()
        self._append(turn)
        try:
            yield turn
        finally:
            turn.end()
            self._entries.pop(turn, None)

    def discard(self, notification: Notification) -> None:
        """Take a waiting notification out."""
        if self._entries.pop(notification, self) is None:
            self._count(notification, -1)

    def refuse_all(self) -> None:
        """Nothing that waits will have its turn."""
        while self._entries:
            self._next().refuse()

    async def run(self) -> None:
        """Run the entries until there are none."""
        try:
            while self._entries:
                await self._next().run()
        finally:
            self._running = False

    def _append(self, entry: Entry) -> None:
        self._entries[entry] = None
        if not self._running:
            self._running = True
            self._start(self)

    def _next(self) -> Entry:
        entry, _ = self._entries.popitem(last=False)
        if isinstance(entry, Notification):
            self._count(entry, -1)
        return entry

    def _count(self, notification: Notification, change: int) -> None:
        self._notifications += change
        self._size += change * notification.size

    def _least(self) -> Notification:
        waiting = [entry for entry in self._entries if isinstance(entry, Notification)]
        return next((entry for entry in waiting if not entry.last), waiting[0])
