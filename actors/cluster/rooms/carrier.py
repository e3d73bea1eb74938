"""Carries what nodes tell each other about rooms, each message until it is acknowledged, and knows who has which room.

On the way to this node itself, nothing is written and nothing can be lost.
"""

import uuid
from typing import Final, Protocol

import trio
from attrs import evolve

from actors.cluster.membership import Membership
from actors.cluster.names import ClusterNames, NameOutcome
from actors.cluster.registry.registry import Registry
from actors.cluster.requests.asking import Asking, Gathered
from actors.cluster.rooms.table import RoomTable, entry_of, key_of
from actors.runtime.actor import crash_guard
from actors.runtime.logs import get_logger
from config.settings import RegistryDown, Settings
from protocol.cluster.claims import Holder, Named
from protocol.cluster.messages import NodeReply
from protocol.cluster.rooms.messages import ELSEWHERE, RoomAsk
from protocol.cluster.rooms.presence import Presence
from protocol.rooms.bans import RoomKey

log = get_logger("cluster")

HERE: Final = ""
"""This node, as one that has a room or members."""


class RoomHandler(Protocol):
    """Whom the messages of other nodes are for."""

    async def carry_out(self, ask: RoomAsk, blank: NodeReply) -> NodeReply:
        """The reply: `blank`, filled in."""

    def beaten(self, *, is_intact: bool) -> None:
        """A beat was answered. `is_intact`: false if others may have forgotten this node meanwhile."""

    def tick(self) -> None:
        """Comes with every beat, answered or not."""

    def lost_room(self, key: RoomKey) -> None:
        """Another node has it."""


class RoomCarrier:
    """See above. `open` says for whom."""

    def __init__(self, registry: Registry, asking: Asking, membership: Membership, settings: Settings) -> None:
        self.presence = Presence()
        self.table = RoomTable(registry)
        self.claims = ClusterNames(
            self.table,
            accepts_on_trust=lambda: settings.cluster_registry_down is RegistryDown.ACCEPT,
            timeout=settings.cluster_timeout,
            on_lost=self._lost,
            renew=membership.renew,
            is_superseded=lambda: membership.is_superseded,
        )
        self.crashes = 0
        self.asking, self._membership = asking, membership
        self._settings = settings
        self._handler: RoomHandler | None = None
        membership.followers += [self.claims, self]

    def open(self, handler: RoomHandler) -> None:
        """Messages are for it from now on."""
        self._handler = handler

    @property
    def member(self) -> str:
        """This node; HERE: it has not joined yet."""
        return self._membership.member or HERE

    # -- who has a room ----------------------------------------------------------------------------

    async def holder_of(self, key: RoomKey) -> str | None:
        """The other member that has the room, as far as it can be known."""
        if not self._membership.is_up:
            return None
        holder = await self.table.holder_of(key)
        return None if holder == self.member else holder

    async def claim(self, key: RoomKey) -> tuple[Named, NameOutcome]:
        """Have the room on this node, unless the outcome says otherwise; what is to be released."""
        named = Named(entry_of(key), uuid.uuid4().hex)
        return named, await self.claims.claim(named)

    def _lost(self, named: Named, holder: Holder) -> None:
        if self._handler is not None:
            self._handler.lost_room(key_of(named.name))

    # -- messages ----------------------------------------------------------------------------------

    async def send(self, member: str, ask: RoomAsk) -> NodeReply | None:
        """Have a member carry it out, once; None: it is gone."""
        if member == HERE:
            return await self.carry_out(ask, NodeReply(id="", sender=HERE, node_id=""))
        return await self.asking.ask_surely(member, ask, is_gone=lambda: self.is_gone(member))

    async def ask_all(self, ask: RoomAsk, *, surely: bool = False) -> Gathered:
        """Ask every other member once."""
        return await self.asking.ask_all(ask, timeout=self._settings.cluster_answer_timeout, surely=surely)

    async def carry_out(self, ask: RoomAsk, blank: NodeReply) -> NodeReply:
        """What another member asks, or this one of itself."""
        reply = evolve(blank, verdict=ELSEWHERE)
        if self._handler is not None:
            with crash_guard(self._crashed):
                reply = await self._handler.carry_out(ask, blank)
        return reply

    def _crashed(self, error: BaseException) -> None:
        self.crashes += 1
        log.error("message about a room crashed", crash=error)

    # -- other members -----------------------------------------------------------------------------

    def is_gone(self, member: str) -> bool:
        """Whether nobody need wait for this member."""
        return member != HERE and self.presence.is_gone(member)

    def heard(self, member: str) -> None:
        """It has just said something."""
        self.presence.heard(member, trio.current_time())

    def beaten(self, member: str, *, is_intact: bool) -> None:
        """As a follower of the membership."""
        view = self._membership.view
        self.presence.beaten(() if view is None else view.members, trio.current_time(), is_intact=is_intact)
        if self._handler is not None:
            self._handler.tick()
            self._handler.beaten(is_intact=is_intact)

    def failed(self) -> None:
        """As a follower of the membership."""
        if self._handler is not None:
            self._handler.tick()

    async def run(self) -> None:
        """Write claims until cancelled."""
        await self.claims.run()
