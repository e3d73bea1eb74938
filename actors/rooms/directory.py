"""All rooms of this node by application and name, and how an operator reaches them.

Taking a seat creates the room if there is none, and a room goes only when no seat is taken: both at once, without
waiting in between. So a join that comes with the last leave finds either the old room, which stays, or a new one.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import trio

from actors.node.ports.room import NoSuchMember, NoSuchRoom, RoomBusy
from actors.node.supervisor import Supervisor
from actors.rooms.member import RoomClient, RoomMember
from actors.rooms.room import TERMINATED, Room, RoomServices
from actors.runtime.actor import ActorStopped, Request
from actors.stream.event_delivery import DeliveryTally
from protocol.access.kicks import PLAIN_KICK, Kick
from protocol.node.client_data import DeliveryReport
from protocol.node.filters import RoomFilter
from protocol.rest.paging import Found, Page
from protocol.rooms.bans import RoomKey
from protocol.rooms.descriptions import RoomDescription
from protocol.rooms.info_texts import RoomInfo, RoomRefused
from protocol.rooms.requests import KickRequest, OperatorRequest, PostRequest

ADDRESS_SHARE = 4
"""Clients of one address may have created this part of `rooms.max_rooms`."""


class RoomDirectory:
    """The rooms of this node. Implements the port `actors.node.ports.room.RoomControl` for one process."""

    def __init__(self, services: RoomServices, supervisor: Supervisor) -> None:
        self.services = services
        self._supervisor = supervisor
        self._rooms: dict[RoomKey, Room] = {}
        self._creators: dict[Room, str] = {}
        self._created: Counter[str] = Counter()
        self.on_end: Callable[[RoomKey], None] = lambda key: None
        """Called when a room is over."""

    def __len__(self) -> int:
        return len(self._rooms)

    @property
    def here(self) -> "RoomDirectory":
        """Itself."""
        return self

    def get(self, key: RoomKey) -> Room | None:
        """The room of this application and name."""
        return self._rooms.get(key)

    def enter(
        self, key: RoomKey, client: RoomClient, *, login: str, session_id: str, address: str, called: str
    ) -> RoomMember:
        """A seat for `client` in a room, which is created if necessary. Raises RoomRefused."""
        room = self._rooms.get(key)
        if room is None:
            room = self._create(key, address)
        return room.enter(client, login=login, session_id=session_id, called=called)

    def _create(self, key: RoomKey, address: str) -> Room:
        most = self.services.settings.rooms_max_rooms
        if len(self._rooms) >= most or self._created[address] >= max(1, most // ADDRESS_SHARE):
            raise RoomRefused(RoomInfo.TOO_MANY_ROOMS, limit="rooms.max_rooms")
        room = Room(key, self.services, vacated=self._forget)
        try:
            self._supervisor.adopt_other("room", room)
        except ActorStopped:
            raise RoomRefused(RoomInfo.SERVER_IS_SHUTTING_DOWN) from None
        self._rooms[key] = room
        self._creators[room] = address
        self._created[address] += 1
        return room

    def _forget(self, room: Room) -> None:
        del self._rooms[room.key]
        address = self._creators.pop(room)
        self._created[address] -= 1
        if not self._created[address]:
            del self._created[address]
        self.on_end(room.key)

    def statistics(self) -> dict[str, int]:
        """The counters for `/?action=stat`."""
        counters = self.services.counters
        return {
            "rooms": len(self._rooms),
            "rooms_members": sum(room.member_count for room in self._rooms.values()),
            "rooms_joins": counters.joined,
            "rooms_messages": counters.messages,
            "rooms_events": counters.events,
            "rooms_refused": counters.refused,
        }

    # -- operators ---------------------------------------------------------------------------------

    async def find(self, query: RoomFilter, page: Page) -> Found[RoomDescription]:
        """The number of matching rooms, and those on the page, oldest first."""
        hits = self._matching(query)
        shown = []
        for room in page.of(hits):
            shown.append(room.describe())
            await trio.lowlevel.checkpoint()
        return Found(total=len(hits), items=tuple(shown))

    async def post(self, query: RoomFilter, content: Any, *, sender: str | None) -> DeliveryReport:
        """Tell all members, as `PostRequest` says. Raises NoSuchRoom, NoSuchMember, RoomBusy."""
        tallies: list[DeliveryTally] = []

        def request(operation: Callable[[str | None], None]) -> PostRequest:
            tallies.append(DeliveryTally())
            return PostRequest(sender=sender, content=content, tally=tallies[-1], operation=operation)

        done = await self._operate(query, request)
        reports = [await tally.report() for tally, is_done in zip(tallies, done, strict=True) if is_done]
        return DeliveryReport(
            sent=sum(report.sent for report in reports), dropped=sum(report.dropped for report in reports)
        )

    async def kick(self, query: RoomFilter, login: str, *, seconds: float, kick: Kick = PLAIN_KICK) -> None:
        """Remove a member as `kick` says, and refuse it for `seconds`. Raises NoSuchRoom, NoSuchMember, RoomBusy."""
        await self._operate(query, lambda done: KickRequest(login=login, seconds=seconds, kick=kick, operation=done))

    async def terminate(self, query: RoomFilter) -> int:
        """End the rooms: everybody is removed from them. The number of members; raises NoSuchRoom.

        With many streams in them it takes several passes of the event loop, in which nothing else happens in the rooms.
        """
        rooms = self._required(query)
        count = sum(room.member_count for room in rooms)
        await self._supervisor.terminate_others(rooms, TERMINATED).wait()
        return count

    async def _operate(
        self, query: RoomFilter, make: Callable[[Callable[[str | None], None]], OperatorRequest]
    ) -> list[bool]:
        """Have a request carried out in each matching room; in which ones it was done, at least one."""
        requests: list[Request[str | None]] = []
        for room in self._required(query):
            requests.append(Request())
            try:
                room.operate(make(requests[-1].reply))
            except RoomRefused as refused:
                raise RoomBusy(room.key) from refused
        infos = [await request.answer() for request in requests]
        if None in infos:
            return [info is None for info in infos]
        raise NoSuchMember if RoomInfo.NO_SUCH_PARTICIPANT in infos else NoSuchRoom

    def _required(self, query: RoomFilter) -> list[Room]:
        rooms = self._matching(query)
        if not rooms:
            raise NoSuchRoom
        return rooms

    def _matching(self, query: RoomFilter) -> list[Room]:
        if query.name is not None and query.app_key is not None:
            room = self._rooms.get((query.app_key, query.name))
            rooms = [] if room is None else [room]
        else:
            rooms = list(self._rooms.values())
        return [room for room in rooms if query.matches(app_key=room.key[0], name=room.key[1], logins=room.logins)]
