"""What the room's node tells of a room, passed on to the members here."""

from collections.abc import Callable, Iterable
from typing import Protocol

from attrs import define

from actors.rooms.clustered.seats import BranchSeat
from actors.stream.fan_out import EventFanOut
from protocol.access.kicks import PLAIN_KICK
from protocol.cluster.rooms.messages import (
    AnswerNews,
    EventNews,
    LeftNews,
    Listing,
    ListingNews,
    MovedNews,
    OutNews,
    RoomNews,
    RoomNewsItem,
    UnwelcomeNews,
    state_of,
)
from protocol.cluster.rooms.view import MEMBERSHIP, RoomView
from protocol.rooms.events import RoomEvent, RoomEventName


class Branch(Protocol):
    """What follows for the branch."""

    def synced(self) -> None: ...
    def remove(self, seat: BranchSeat) -> None: ...
    def introduce_again(self, seat: BranchSeat) -> None: ...
    def detach(self) -> None: ...


class Reading:
    """See above. `seats`: those of the branch, by id."""

    def __init__(self, room: str, seats: dict[str, BranchSeat], branch: Branch) -> None:
        self.number = 0
        """Of the latest message."""
        self.is_syncing = False
        """Whether members here are in the room, and wait for the list of who else is."""
        self._room, self._seats, self._branch = room, seats, branch
        self._view: RoomView | None = None
        self._fan_out: EventFanOut[RoomEvent] = EventFanOut()

    @property
    def member_count(self) -> int:
        """How many members the room has, as far as they have been told."""
        return 0 if self._view is None else len(self._view)

    def begin(self, *, is_syncing: bool) -> None:
        """The first message of another line comes next."""
        self.number, self.is_syncing = 0, is_syncing

    def check(self) -> None:
        """Some seat has gone: without members there is nothing to know, or to wait for."""
        if any(seat.has_joined for seat in self._seats.values()):
            return
        self._view = None
        self._end_syncing()

    async def read(self, news: RoomNews, is_valid: Callable[[], bool]) -> int:
        """How many bans it has led to. `is_valid`: whether the line still is that of the message."""
        banned = 0
        for item in news.news:
            if not is_valid():
                break
            banned += await self._read(item)
        return banned

    async def _read(self, item: RoomNewsItem) -> int:
        match item:
            case EventNews():
                await self._pass_on(item)
            case ListingNews():
                await self._list(item.members)
            case MovedNews():
                self._branch.detach()
            case AnswerNews() | LeftNews() | OutNews() | UnwelcomeNews():
                seat = self._seats.get(item.seat)
                return 0 if seat is None else self._told(seat, item)
        return 0

    def _told(self, seat: BranchSeat, item: AnswerNews | LeftNews | OutNews | UnwelcomeNews) -> int:
        client = seat.member.client
        match item:
            case AnswerNews():
                seat.answer(item.command, item.info)
            case LeftNews():
                seat.has_joined = False
                seat.streams.clear()
                client.room_left(seat.member)
                self.check()
            case UnwelcomeNews():
                seat.streams.pop(item.media_session_id, None)
                client.room_refuses_stream(seat.member, item.media_session_id, item.info)
            case OutNews():
                return self._out(seat, item)
        return 0

    def _out(self, seat: BranchSeat, out: OutNews) -> int:
        if out.info is None and seat.commands:
            self._branch.introduce_again(seat)
            return 0
        if out.info is not None:
            seat.answer_all(out.info)
        seat.has_joined = False
        self._branch.remove(seat)
        kick = None if out.end is None else out.end.kick() or PLAIN_KICK
        seat.member.client.room_seat_taken(seat.member, None if out.is_refused else out.info, kick)
        return 0 if kick is None or kick.ban is None else kick.ban.placed

    # -- events ------------------------------------------------------------------------------------

    async def _pass_on(self, news: EventNews) -> None:
        if self.is_syncing and news.name in MEMBERSHIP:
            return  # the list will tell
        seats = [self._seats[seat] for seat in news.to if seat in self._seats]
        if news.members is not None:
            if seats:
                await self._welcome(seats, news.members)
            return
        if self._view is not None:
            self._view.apply(news)
        await self._tell(seats, RoomEvent(self._room, RoomEventName(news.name), news.info))

    async def _welcome(self, seats: list[BranchSeat], members: Listing) -> None:
        """The others here will be told of those who join."""
        joining, view = {seat.login for seat in seats}, self._view or RoomView(())
        known = tuple(member for member in members if member.login not in joining or view.knows(member))
        if self._view is None:
            self._view = RoomView(known)
        await self._tell_missed(known)
        await self._tell_state(seats, members)

    async def _tell_state(self, seats: Iterable[BranchSeat], members: Listing) -> None:
        for seat in seats:
            seat.has_state = True
            state = state_of(members, without=seat.login)
            await self._tell([seat], RoomEvent(self._room, RoomEventName.STATE, state))

    async def _list(self, members: Listing) -> None:
        if self._view is None:
            self._view = RoomView(members)
        await self._tell_missed(members)
        strangers = [seat for seat in self._seats.values() if seat.has_joined and not seat.has_state]
        await self._tell_state(strangers, members)
        self._end_syncing()

    async def _tell_missed(self, members: Listing) -> None:
        """The room is like this: tell those who think otherwise."""
        knowing = [seat for seat in self._seats.values() if seat.has_joined and seat.has_state]
        for missed in () if self._view is None else self._view.replace(members):
            seats = [seat for seat in knowing if seat.login != missed.login]
            await self._tell(seats, RoomEvent(self._room, missed.name, missed.info))

    def _end_syncing(self) -> None:
        if self.is_syncing:
            self.is_syncing = False
            self._branch.synced()

    async def _tell(self, seats: list[BranchSeat], event: RoomEvent) -> None:
        self._fan_out.add(event, [_Listener(self._seats, seat) for seat in seats])
        await self._fan_out.run()


@define(eq=False)
class _Listener:
    """A member here, unless it has gone before its turn comes."""

    seats: dict[str, BranchSeat]
    seat: BranchSeat

    def pass_event(self, event: RoomEvent) -> None:
        if self.seat.id in self.seats:
            self.seat.member.pass_event(event)
