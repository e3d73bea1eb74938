"""The order of calls.

A `HookQueue` runs its entries one at a time, first come first served. It has a task only while it has entries. An entry
is either a `Notification`, which the queue's task sends, or a `Permit`: its owner waits for it and then makes the call
in the owner's task, so that cancelling the owner cancels the call.

Notifications pile up when a backend is slow or dead, and are dropped beyond the bounds (see `backlog`). A `Permit` is
never dropped, because its owner waits for it under a deadline.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Protocol, Self

import trio
from attrs import define, field

from actors.hooks.lanes.backlog import Account
from actors.hooks.lanes.queued_weight import Load
from protocol.hooks import Allow, HookMethod, Verdict


class QueueEntry(Protocol):
    """An entry that a queue runs when its turn comes."""

    async def run(self) -> None:
        """Run the turn; it lasts until this returns."""

    def refuse(self) -> None:
        """The turn will never come."""

    def leave(self) -> None:
        """The same, because the queue is closed."""


@define(eq=False, kw_only=True)
class Permit:
    """The right to call, once everything before it is done. A `with` block requests it and gives it back."""

    granted: trio.Event = field(init=False, factory=trio.Event)
    refused: bool = field(init=False, default=False)
    _queue: "HookQueue" = field(alias="queue")
    _over: trio.Event = field(init=False, factory=trio.Event)

    def __enter__(self) -> Self:
        self._queue.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._queue.discard(self)

    async def run(self) -> None:
        self.granted.set()
        await self._over.wait()

    def refuse(self) -> None:
        self.refused = True
        self.granted.set()

    leave = refuse


@define(eq=False, kw_only=True)
class Notification:
    """A call that nobody waits for, or not for long. `last` says that it reports an end."""

    method: HookMethod
    body: dict[str, Any] = field(repr=False)
    session_id: str
    last: bool
    load: Load
    account: Account = field(repr=False)
    queue: "HookQueue" = field(repr=False)
    event_time: float
    """When what it tells has happened: seconds since the epoch."""
    send: Callable[["Notification"], Awaitable[None]] = field(repr=False)
    left: Callable[["Notification"], None] = field(repr=False)
    """Called if the server stops before its turn comes."""
    on_verdict: Callable[[Verdict], None] = field(repr=False)
    since: float = field(factory=trio.current_time)
    """When it was put in."""

    async def run(self) -> None:
        self.account.begin(self)
        try:
            await self.send(self)
        finally:
            self.account.end(self)

    def refuse(self) -> None:
        """Dropped by its account, which has already removed it."""
        self.queue.discard(self)
        self.on_verdict(Allow(body=self.body))

    def leave(self) -> None:
        self.left(self)
        self.refuse()


class HookQueue:
    """The calls of one session (or of all sessions, if the order is global): one at a time, in order.

    `start` starts a task that runs the queue; it is called when there is work and no task.
    """

    def __init__(self, *, start: Callable[["HookQueue"], None]) -> None:
        self._start = start
        self._entries: OrderedDict[QueueEntry, None] = OrderedDict()
        self._running = False

    def append(self, entry: QueueEntry) -> None:
        """Append an entry."""
        self._entries[entry] = None
        if not self._running:
            self._running = True
            self._start(self)

    def discard(self, entry: QueueEntry) -> None:
        """Remove an entry if it still waits."""
        self._entries.pop(entry, None)

    def refuse_next(self) -> bool:
        """Refuse the next waiting entry. False if there is none."""
        if not self._entries:
            return False
        entry, _ = self._entries.popitem(last=False)
        if isinstance(entry, Notification):
            entry.account.remove(entry)
        entry.leave()
        return True

    async def run(self) -> None:
        """Run the entries until there are none."""
        try:
            while self._entries:
                entry, _ = self._entries.popitem(last=False)
                await entry.run()
        finally:
            self._running = False
