"""The rooms of all nodes, for REST: those of this node first, then the others, and one answer out of all."""

from typing import Any

from attrs import evolve

from actors.cluster.requests.asking import Gathered
from actors.cluster.requests.control import ClusterControl
from actors.cluster.rooms.carrier import RoomCarrier
from actors.node.ports.refusals import NodesSilent
from actors.node.ports.room import NoSuchMember, NoSuchRoom
from actors.rooms.clustered.rooms import ClusterRooms
from actors.rooms.directory import RoomDirectory
from protocol.access.kicks import PLAIN_KICK, Kick
from protocol.cluster.ends import End
from protocol.cluster.merging import bounded, merged_list, needed_of_each
from protocol.cluster.rooms.messages import NO_MEMBER, EndRooms, FindRooms, KickFromRooms, PostToRooms, RoomAsk
from protocol.node.client_data import DeliveryReport
from protocol.node.coverage import Coverage
from protocol.node.filters import RoomFilter
from protocol.rest.paging import Found, Page
from protocol.rooms.descriptions import RoomDescription


class ClusterRoomControl:
    """Implements `actors.node.ports.room.RoomControl` for all nodes."""

    def __init__(self, rooms: ClusterRooms, carrier: RoomCarrier, control: ClusterControl) -> None:
        self._rooms, self._carrier, self._control = rooms, carrier, control

    @property
    def here(self) -> RoomDirectory:
        """The rooms of this node."""
        return self._rooms.here

    async def find(self, query: RoomFilter, page: Page) -> Found[RoomDescription]:
        """The matching rooms of all nodes, oldest first."""
        shown = bounded(page)
        part = needed_of_each(shown)
        local = await self.here.find(query, part)
        if _is_one(query) and local.total:
            return merged_list(local, (), shown, self._control.alone())
        gathered = await self._carrier.ask_all(FindRooms(filter=query, limit=part.limit or 0))
        others = [(reply.count, reply.rooms) for reply in gathered.replies]
        coverage = self._control.coverage(gathered, is_decided=_is_one(query) and gathered.count > 0)
        return merged_list(local, others, shown, coverage)

    async def post(self, query: RoomFilter, content: Any, *, sender: str | None) -> DeliveryReport:
        """Tell all members of the matching rooms of all nodes."""
        refusal: Exception | None = None
        local = DeliveryReport()
        try:
            local = await self.here.post(query, content, sender=sender)
            if _is_one(query):
                return evolve(local, coverage=await self._settled(query, self._control.alone()))
        except (NoSuchRoom, NoSuchMember) as error:
            refusal = error
        gathered = await self._elsewhere(PostToRooms(filter=query, content=content, sender=sender), query, refusal)
        return DeliveryReport(
            sent=local.sent + sum(reply.sent for reply in gathered.replies),
            dropped=local.dropped + sum(reply.dropped for reply in gathered.replies),
            coverage=await self._coverage(query, gathered),
        )

    async def kick(self, query: RoomFilter, login: str, *, seconds: float, kick: Kick = PLAIN_KICK) -> None:
        """Remove a member from the matching rooms of all nodes."""
        refusal: Exception | None = None
        try:
            await self.here.kick(query, login, seconds=seconds, kick=kick)
            if _is_one(query):
                _require(await self._settled(query, self._control.alone()))
                return
        except (NoSuchRoom, NoSuchMember) as error:
            refusal = error
        end = End.of("room-kick", "", kick)
        ask = KickFromRooms(filter=query, login=login, seconds=seconds, end=end)
        gathered = await self._elsewhere(ask, query, refusal)
        _require(await self._coverage(query, gathered))
        if kick.ban is not None:
            kick.ban.placed += sum(reply.banned for reply in gathered.replies)

    async def terminate(self, query: RoomFilter) -> int:
        """End the matching rooms of all nodes."""
        refusal: Exception | None = None
        count = 0
        try:
            count = await self.here.terminate(query)
            if _is_one(query):
                _require(await self._settled(query, self._control.alone()))
                return count
        except NoSuchRoom as error:
            refusal = error
        gathered = await self._elsewhere(EndRooms(filter=query), query, refusal)
        _require(await self._coverage(query, gathered))
        return count + sum(reply.sent for reply in gathered.replies)

    # -- inside ------------------------------------------------------------------------------------

    async def _elsewhere(self, ask: RoomAsk, query: RoomFilter, refusal: Exception | None) -> Gathered:
        """What the others did. Raises `refusal`, or what they have in its place, if nobody did anything."""
        gathered = await self._carrier.ask_all(ask, surely=True)
        if refusal is not None and not gathered.count:
            _require(await self._coverage(query, gathered))
            is_somewhere = any(reply.verdict == NO_MEMBER for reply in gathered.replies)
            raise NoSuchMember if is_somewhere else refusal
        return gathered

    async def _coverage(self, query: RoomFilter, gathered: Gathered) -> Coverage:
        """Which nodes have done their part, and have had it acknowledged by those of the members."""
        coverage = self._control.coverage(gathered, is_decided=_is_one(query) and gathered.count > 0)
        unsure = tuple(reply.node_id for reply in gathered.replies if not reply.all_stopped)
        return await self._settled(query, _with_silent(coverage, unsure))

    async def _settled(self, query: RoomFilter, coverage: Coverage) -> Coverage:
        return _with_silent(coverage, await self._rooms.settled(query))


def _with_silent(coverage: Coverage, nodes: tuple[str, ...]) -> Coverage:
    if not nodes:
        return coverage
    return evolve(coverage, silent=(*coverage.silent, *nodes), is_decided=False)


def _require(coverage: Coverage) -> None:
    if not coverage.is_complete:
        raise NodesSilent(coverage)


def _is_one(query: RoomFilter) -> bool:
    """Whether one room at most can match."""
    return query.name is not None and query.app_key is not None
