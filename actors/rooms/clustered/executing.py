"""What another node orders about the rooms of this one, as REST would here."""

from collections.abc import Awaitable, Callable

from attrs import evolve

from actors.node.ports.room import NoSuchMember, NoSuchRoom, RoomBusy
from actors.rooms.directory import RoomDirectory
from protocol.access.kicks import PLAIN_KICK
from protocol.cluster.messages import NodeReply
from protocol.cluster.rooms.messages import BUSY, NO_MEMBER, EndRooms, FindRooms, KickFromRooms, PostToRooms, RoomAsk
from protocol.node.filters import RoomFilter
from protocol.rest.paging import NOTHING, Page


class RoomOrders:
    """See above. The reply's count is of rooms; a busy room does not answer. `settled`: of `ClusterRooms`."""

    def __init__(self, rooms: RoomDirectory, settled: Callable[[RoomFilter], Awaitable[tuple[str, ...]]]) -> None:
        self._rooms, self._settled = rooms, settled

    async def carry_out(self, ask: RoomAsk, blank: NodeReply) -> NodeReply:
        """The reply: `blank`, filled in."""
        try:
            return await self._do(ask, blank)
        except NoSuchRoom:
            return blank
        except NoSuchMember:
            return evolve(blank, verdict=NO_MEMBER)
        except RoomBusy:
            return evolve(blank, verdict=BUSY)

    async def _do(self, ask: RoomAsk, blank: NodeReply) -> NodeReply:
        match ask:
            case FindRooms():
                found = await self._rooms.find(ask.filter, Page(limit=ask.limit))
                return evolve(blank, count=found.total, rooms=found.items)
            case PostToRooms():
                report = await self._rooms.post(ask.filter, ask.content, sender=ask.sender)
                done = await self._is_settled(ask.filter)
                return evolve(blank, count=1, sent=report.sent, dropped=report.dropped, all_stopped=done)
            case KickFromRooms():
                kick = ask.end.kick() or PLAIN_KICK
                await self._rooms.kick(ask.filter, ask.login, seconds=ask.seconds, kick=kick)
                done = await self._is_settled(ask.filter)
                return evolve(blank, count=1, all_stopped=done, banned=0 if kick.ban is None else kick.ban.placed)
            case EndRooms():
                rooms = (await self._rooms.find(ask.filter, NOTHING)).total
                ended = await self._rooms.terminate(ask.filter)
                return evolve(blank, sent=ended, count=rooms, all_stopped=await self._is_settled(ask.filter))
        return blank

    async def _is_settled(self, query: RoomFilter) -> bool:
        """Whether all members have been told."""
        return not await self._settled(query)
