"""What this node does for another one."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from attrs import evolve, frozen

from actors.cluster.requests.draining import ClusterDrain
from actors.node.bans import Bans
from actors.node.control import LocalNode
from actors.node.ports.data import DataPort, NotLive, StreamEventPort, TooManyAtOnce
from actors.runtime.actor import StopReason
from protocol.cluster.drain_messages import DrainNode
from protocol.cluster.ends import End
from protocol.cluster.messages import (
    Ask,
    DeliverData,
    DeliverEvent,
    DeliverToAll,
    EndConnections,
    EndStreams,
    FindConnections,
    FindStreams,
    NodeReply,
    SetLogLevel,
)
from protocol.cluster.owner_messages import OwnerAsk, SearchAsk
from protocol.cluster.relay_messages import PullStream, RelayNews
from protocol.cluster.rooms.messages import BUSY, RoomAsk, RoomWords, SeekRoom
from protocol.node.client_data import ClientData, DeliveryReport
from protocol.rest.paging import Page
from protocol.rest.resources.streams import TerminateAnswer


class CannotAnswer(Exception):
    """Not now: to the other node, this one is silent."""


class RelayAnswers(Protocol):
    """Who passes streams on between nodes; `actors.relay` does."""

    async def carry_out(self, sender: str, ask: PullStream | RelayNews, blank: NodeReply, deadline: float) -> NodeReply:
        """The reply to that member: `blank`, filled in."""


@frozen(kw_only=True)
class Executor:
    """See above. `relays`: None while there is nobody to pass streams on."""

    node: LocalNode
    bans: Bans
    data: DataPort
    stream_events: StreamEventPort
    rooms: Callable[[RoomAsk, NodeReply], Awaitable[NodeReply]]
    owned: Callable[[OwnerAsk | SearchAsk, NodeReply], Awaitable[NodeReply]]
    drain: ClusterDrain
    relays: Callable[[], RelayAnswers | None] = lambda: None

    async def carry_out(self, sender: str, ask: Ask, blank: NodeReply, deadline: float) -> NodeReply:
        """The reply: `blank`, filled in. Raises CannotAnswer."""
        match ask:
            case EndStreams():
                reason = reason_of(ask.end)
                answer = await self.node.terminate(ask.filter, reason, dry_run=False, deadline=deadline)
                return await self._ended(blank, answer, reason)
            case EndConnections():
                reason = reason_of(ask.end)
                answer = await self.node.terminate_connections(ask.filter, reason, deadline=deadline)
                return await self._ended(blank, answer, reason)
            case FindStreams():
                streams = await self.node.find(ask.filter, Page(limit=ask.limit), traffic=ask.traffic)
                return evolve(blank, count=streams.total, streams=streams.items)
            case FindConnections():
                connections = await self.node.find_connections(ask.filter, Page(limit=ask.limit))
                return evolve(blank, count=connections.total, connections=connections.items)
            case SetLogLevel():
                return evolve(blank, count=(await self.node.set_log_level(ask.filter, ask.level)).count)
            case DeliverData() | DeliverToAll() | DeliverEvent():
                return await self._delivered(blank, ask)
            case _:
                return await self._by_parts(sender, ask, blank, deadline)

    async def _by_parts(self, sender: str, ask: Ask, blank: NodeReply, deadline: float) -> NodeReply:
        match ask:
            case DrainNode():
                return await self.drain.carry_out(ask, blank)
            case PullStream() | RelayNews():
                relays = self.relays()
                if relays is None:
                    raise CannotAnswer
                return await relays.carry_out(sender, ask, blank, deadline)
            case _ if isinstance(ask, RoomAsk):
                return await self._for_rooms(sender, ask, blank)
            case _ if isinstance(ask, OwnerAsk | SearchAsk):
                return await self.owned(ask, blank)
        raise CannotAnswer

    async def _for_rooms(self, sender: str, ask: RoomAsk, blank: NodeReply) -> NodeReply:
        if isinstance(ask, RoomWords | SeekRoom) and ask.member != sender:
            raise CannotAnswer("it speaks in the name of another member")
        reply = await self.rooms(ask, blank)
        if reply.verdict == BUSY:
            raise CannotAnswer
        if reply.banned:
            await self.bans.save()
        return reply

    async def _ended(self, blank: NodeReply, answer: TerminateAnswer, reason: StopReason) -> NodeReply:
        banned = 0
        if reason.kick is not None and reason.kick.ban is not None:
            await self.bans.save()
            banned = reason.kick.ban.placed
        return evolve(blank, count=answer.count, all_stopped=answer.all_stopped, banned=banned)

    async def _delivered(self, blank: NodeReply, ask: DeliverData | DeliverToAll | DeliverEvent) -> NodeReply:
        try:
            report = await self._deliver(ask)
        except NotLive:
            return blank
        except TooManyAtOnce:
            raise CannotAnswer from None
        is_live = isinstance(ask, DeliverEvent)  # such a publication counts, also without players
        count = max(report.receivers, int(is_live))
        return evolve(blank, count=count, dropped=report.dropped, sent=report.sent, missing=report.missing)

    async def _deliver(self, ask: DeliverData | DeliverToAll | DeliverEvent) -> DeliveryReport:
        match ask:
            case DeliverData():
                data = ClientData(ask.payload, operation_id=ask.operation_id)
                return await self.data.send(data, ask.session_ids, ask.filter, node_id=ask.node_id)
            case DeliverToAll():
                data = ClientData(ask.payload, operation_id=ask.operation_id)
                return await self.data.broadcast(data, ask.filter, ask.stream_name)
            case DeliverEvent():
                return await self.stream_events.send(ask.filter, ask.payload)


def reason_of(end: End) -> StopReason:
    """Why what matches ends."""
    return StopReason(cause=end.cause, info=end.info).with_kick(end.kick())
