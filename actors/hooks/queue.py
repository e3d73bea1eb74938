"""The order of calls.

A `HookQueue` runs its entries one after the other, first come first served. It has a task only while it has entries. An
entry is either a `Notification`, sent by the queue's task, or a `Permit`: its owner waits for it and then does what it
likes in its own task, so that the owner's cancellation takes its call along.

Notifications pile up before a backend that is slow or dead, and are dropped beyond bounds (see `backlog`). A `Permit`
never is, for somebody waits for it under a deadline.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Protocol, Self

import trio
from attrs import define, field

from actors.hooks.backlog import Account
from actors.hooks.queued_weight import Load
from protocol.hooks import Allow, HookMethod, Verdict


class QueueEntry(Protocol):
    """Something that a queue runs in its turn."""

    async def run(self) -> None:
        """Take as long as the turn lasts."""

    def refuse(self) -> None:
        """The turn will never come: the queue is closed."""


@define(eq=False, kw_only=True)
class Permit:
    """The right to call, once everything before it is done. It is asked for, and given back, by a `with` block."""

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


@define(eq=False, kw_only=True)
class Notification:
    """A call that nobody waits for, or not for long. `last` says that it tells of an end."""

    method: HookMethod
    body: dict[str, Any] = field(repr=False)
    session_id: str
    last: bool
    load: Load
    account: Account = field(repr=False)
    queue: "HookQueue" = field(repr=False)
    send: Callable[["Notification"], Awaitable[None]] = field(repr=False)
    on_verdict: Callable[[Verdict], None] = field(repr=False)

    async def run(self) -> None:
        self.account.begin(self)
        try:
            await self.send(self)
        finally:
            self.account.end(self)

    def refuse(self) -> None:
        """Dropped: by its account, which has taken it out, or by its queue, which ends."""
        self.queue.discard(self)
        self.on_verdict(Allow(body=self.body))


class HookQueue:
    """The calls of one session (or of all, if the order is global): one at a time, in order.

    `start` begins a task that runs the queue; it is called whenever there is work and no such task.
    """

    def __init__(self, *, start: Callable[["HookQueue"], None]) -> None:
        self._start = start
        self._entries: OrderedDict[QueueEntry, None] = OrderedDict()
        self._running = False

    def append(self, entry: QueueEntry) -> None:
        """Put an entry at the end."""
        self._entries[entry] = None
        if not self._running:
            self._running = True
            self._start(self)

    def discard(self, entry: QueueEntry) -> None:
        """Take an entry out, if it still waits."""
        self._entries.pop(entry, None)

    def refuse_next(self) -> bool:
        """The next one that waits will not have its turn. False if there is none."""
        if not self._entries:
            return False
        entry, _ = self._entries.popitem(last=False)
        if isinstance(entry, Notification):
            entry.account.remove(entry)
        entry.refuse()
        return True

    async def run(self) -> None:
        """Run the entries until there are none."""
        try:
            while self._entries:
                entry, _ = self._entries.popitem(last=False)
                await entry.run()
        finally:
            self._running = False
