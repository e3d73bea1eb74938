"""The events of all nodes for the readers of any: each node passes on what happens to those that have readers.

    reader comes ─► notice `events-wanted` to all, repeated ─► each node tells this one its events, four times a second

Nothing is passed on while nobody reads. What is lost on the way is noticed by the numbers of batches, and told.
"""

import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import trio

from actors.cluster.membership import Membership
from actors.cluster.registry.registry import Registry, RegistryUnavailable
from actors.events.event_log import EventLog
from actors.runtime.logs import RateLimitedLog, get_logger
from protocol.cluster.event_batch import MOST_EVENTS, EventBatch
from protocol.cluster.members import Member
from protocol.cluster.messages import Notice
from protocol.node.server_events import EventType

log = get_logger("cluster")

WANTED_FOR: Final = 10.0
"""Seconds after a notice in which events are passed on, and after a reader has left in which they are still wanted."""
WANTED_AGAIN: Final = 3.0
"""Seconds between two notices."""
REST: Final = 0.25
"""Seconds between two batches."""
ABOUT_READING: Final = frozenset({EventType.CLUSTER_SCOPE, EventType.CLUSTER_GAP})
"""For the readers of this node alone."""


class SharedEvents:
    """See above. Events that are taken in stand in the log of this node, in the order in which they came."""

    def __init__(self, registry: Registry, membership: Membership, events: EventLog, node_id: str) -> None:
        self._registry, self._membership, self._events = registry, membership, events
        self._node_id = node_id
        self._wanted_until: dict[str, float] = {}
        self._heard: dict[str, tuple[str, int]] = {}
        self._there: Mapping[str, Member] = {}
        """The members as of the latest beat."""
        self._nursery: trio.Nursery | None = None
        self._was_up = False
        self._log = RateLimitedLog(log, clock=trio.current_time)
        events.node_id, events.scope = node_id, self._scope

    async def run(self) -> None:
        """Ask for events while somebody reads them, and pass on those that others ask for, until cancelled."""
        async with trio.open_nursery() as self._nursery:
            while True:
                await self._events.wanted.wait()
                if not self._events.is_wanted(WANTED_FOR):
                    self._events.wanted = trio.Event()
                    continue
                if self._membership.is_up:
                    with suppress(RegistryUnavailable):
                        await self._registry.send(self._notice(Notice.EVENTS_WANTED).encode(), logged=False)
                await trio.sleep(WANTED_AGAIN)

    # -- for the node ------------------------------------------------------------------------------

    def beaten(self, member: str, *, is_intact: bool) -> None:
        self._tell_gone()
        if not self._was_up:
            self._was_up = True
            self._tell_scope()

    def _tell_gone(self) -> None:
        """Of a node that is gone nobody tells any more what has become of its streams."""
        view = self._membership.view
        before, self._there = self._there, {} if view is None else view.members
        if self._events.is_wanted(WANTED_FOR):
            for name in before.keys() - self._there.keys():
                self._events.emit(EventType.CLUSTER_GAP, node=before[name].info.node_id)

    def failed(self) -> None:
        if self._was_up:
            self._was_up = False
            self._tell_scope()

    def missed(self) -> None:
        """Messages of other nodes may have been lost."""
        if self._events.is_wanted(WANTED_FOR):
            self._events.emit(EventType.CLUSTER_GAP)

    def hear(self, notice: Notice) -> None:
        """What another node tells."""
        if notice.sender == self._membership.member:
            return
        if notice.about == Notice.EVENTS_WANTED:
            self._pass_on_to(notice.sender)
        elif notice.about == Notice.EVENTS and self._events.is_wanted(2 * WANTED_FOR):
            self._take_in(notice)

    # -- inside ------------------------------------------------------------------------------------

    def _scope(self) -> Mapping[str, object]:
        view = self._membership.view
        nodes = 1 if view is None or not self._membership.is_up else len(view.members)
        return {"scope": "cluster" if self._membership.is_up else "local", "nodeId": self._node_id, "nodes": nodes}

    def _tell_scope(self) -> None:
        if self._events.is_wanted(WANTED_FOR):
            self._events.emit(EventType.CLUSTER_SCOPE, scope="cluster" if self._was_up else "local")

    def _notice(self, about: str, value: str = "") -> Notice:
        return Notice(about=about, sender=self._membership.member or "", value=value)

    def _take_in(self, notice: Notice) -> None:
        batch = EventBatch.decode(notice.value)
        if batch is None:
            self._log.warning("message of another node not understood", error="not a batch of events")
            return
        run, number = self._heard.get(notice.sender, ("", 0))
        if batch.number != (number + 1 if run == batch.run else 1):
            self._events.emit(EventType.CLUSTER_GAP, node=self._shown(notice.sender))
        self._heard[notice.sender] = batch.run, batch.number
        for event in batch.events:
            self._events.take_in(event.type, event.app, event.name, event.data)

    def _shown(self, member: str) -> str:
        view = self._membership.view
        known = None if view is None else view.members.get(member)
        return member if known is None else known.info.node_id

    def _pass_on_to(self, member: str) -> None:
        view = self._membership.view
        if self._nursery is None or view is None or member not in view.members:
            return  # one that has just joined asks again
        is_new = member not in self._wanted_until
        self._wanted_until[member] = trio.current_time() + WANTED_FOR
        if is_new:
            self._heard = {known: heard for known, heard in self._heard.items() if known in view.members}
            self._nursery.start_soon(self._pass_on, member)

    async def _pass_on(self, member: str) -> None:
        """Tell the member what happens here from now on, as long as it wants to know."""
        run, number, place = uuid.uuid4().hex[:12], 0, self._events.next_number
        while (left := self._wanted_until[member] - trio.current_time()) > 0:
            with trio.move_on_after(left):
                await self._events.wait(place)
            checked = self._events.checked(place)
            number += checked.is_behind  # a hole in the numbers
            batch = self._events.since(checked.next_number, MOST_EVENTS)
            place = checked.next_number + len(batch)
            own = [event for event in batch if event.is_own and event.type not in ABOUT_READING]
            if own:
                number += 1
                await self._tell(member, EventBatch.of(run, number, own))
        del self._wanted_until[member]

    async def _tell(self, member: str, batch: EventBatch) -> None:
        with suppress(RegistryUnavailable):  # the member sees a hole in the numbers
            await self._registry.tell(member, self._notice(Notice.EVENTS, batch.encode()).encode())
        if len(batch.events) < MOST_EVENTS:
            await trio.sleep(REST)
