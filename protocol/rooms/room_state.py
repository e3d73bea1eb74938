"""One room: its members, their streams, and who is told what in which order.

    enter      a session takes a seat: the room exists as long as a seat is taken
    submit     it asks for something; what it asks waits in a queue of its own, which is bounded
    lost       it is gone: it need not ask any more
    step       the next request is carried out; members take turns

The rules of the RoomApi, which its pages rely on: STATE comes before any other event of the room, and excludes the one
who joins; nobody hears of a login before JOINED (or STATE) or after LEFT; nobody is told of its own streams; a MESSAGE
comes only from a member. All of them follow from one thing: requests are carried out one after the other, and what
follows from one is told before what follows from the next.
"""

import json
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any, Final, Generic, TypeVar

from attrs import define, field, frozen

from protocol.access.kicks import Kick
from protocol.rooms.bans import RoomBans
from protocol.rooms.events import RoomEvent, RoomEventName
from protocol.rooms.info_texts import RoomInfo, RoomRefused
from protocol.rooms.requests import (
    Effect,
    HasLeft,
    JoinRequest,
    KickRequest,
    LeaveRequest,
    LookRequest,
    MemberRequest,
    MessageRequest,
    OperatorRequest,
    PostRequest,
    RequestAnswered,
    SeatTaken,
    StreamOver,
    StreamStarted,
    StreamUnwelcome,
    Told,
)

M = TypeVar("M", bound=Hashable)

MAX_WAITING: Final = 32
"""Commands of one member, or of all operators, that may wait in a room."""
MAX_STATE_SIZE: Final = 1024 * 1024
"""Bytes that the STATE of a room may have: long logins and names of streams must not make it unreadable."""
SPARE_SEATS: Final = 16
"""Seats beyond twice `max_members`: for those who ask to join while the room is full, and may displace themselves."""


@frozen(kw_only=True)
class RoomStream:
    """A published stream of a member. `since`: milliseconds since the epoch."""

    media_session_id: str
    name: str
    since: int


@define(eq=False, kw_only=True)
class RoomSeat(Generic[M]):
    """One session in one room, whether it has joined yet or not."""

    member: M
    login: str
    session_id: str
    since: int = 0
    """Milliseconds since the epoch: when it joined."""
    has_joined: bool = False
    is_lost: bool = False
    streams: dict[str, RoomStream] = field(factory=dict)
    """By mediaSessionId."""
    waiting: deque[MemberRequest] = field(factory=deque)

    @property
    def entries(self) -> list[Any]:
        """Its part of a STATE."""
        return [_stream_entry(self.login, stream.name) for stream in self.streams.values()] or [self.login]

    def yields_to(self, request: JoinRequest) -> bool:
        """Whether another session that joins under its login takes its place."""
        return not request.returns or self.since <= request.at


class RoomState(Generic[M]):
    """A room without its task and sockets. `bans` are those of all rooms of all applications."""

    def __init__(self, name: str, *, app_key: str, max_members: int, bans: RoomBans) -> None:
        self.name = name
        self._key = (app_key, name)
        self._max_members = max_members
        self._bans = bans
        self._seats: dict[M, RoomSeat[M]] = {}
        self._members: dict[str, RoomSeat[M]] = {}
        self._operator: deque[OperatorRequest] = deque()
        self._ready: deque[RoomSeat[M] | None] = deque()  # None: the operator
        self._size = 0

    def __len__(self) -> int:
        """How many members there are."""
        return len(self._members)

    @property
    def is_empty(self) -> bool:
        """Whether no seat is taken."""
        return not self._seats

    @property
    def has_work(self) -> bool:
        """Whether `step` has something to do."""
        return bool(self._ready)

    def members(self) -> Iterator[RoomSeat[M]]:
        """Those who have joined, in the order in which they did."""
        return iter(self._members.values())

    # -- asking ------------------------------------------------------------------------------------

    def enter(self, member: M, *, login: str, session_id: str) -> None:
        """Give `member` a seat, from which it may ask to join. RoomRefused if too many wait already."""
        if len(self._seats) >= 2 * self._max_members + SPARE_SEATS:
            raise RoomRefused(RoomInfo.ROOM_IS_FULL, limit="rooms.max_members")
        self._seats[member] = RoomSeat(member=member, login=login, session_id=session_id)

    def submit(self, member: M, request: MemberRequest) -> None:
        """Have `request` carried out in its turn. RoomRefused, for a command only, if too many wait."""
        seat = self._seats.get(member)
        is_command = not isinstance(request, StreamStarted | StreamOver)
        if seat is None or seat.is_lost:
            if is_command:
                raise RoomRefused(RoomInfo.NOT_JOINED)
            return
        if is_command and len(seat.waiting) >= MAX_WAITING and not isinstance(request, LookRequest):
            raise RoomRefused(RoomInfo.TOO_MANY_COMMANDS)
        if not seat.waiting:
            self._ready.append(seat)
        seat.waiting.append(request)

    def operate(self, request: OperatorRequest) -> None:
        """The same for an operator."""
        if len(self._operator) >= MAX_WAITING:
            raise RoomRefused(RoomInfo.TOO_MANY_COMMANDS)
        if not self._operator:
            self._ready.append(None)
        self._operator.append(request)

    def lost(self, member: M) -> None:
        """The member's session is gone: in its turn it leaves, and nothing else that it asked for is done."""
        seat = self._seats.get(member)
        if seat is not None and not seat.is_lost:
            seat.is_lost = True
            if not seat.waiting:
                self._ready.append(seat)

    # -- doing -------------------------------------------------------------------------------------

    def step(self, now: float) -> list[Effect[M]]:
        """Carry out one request of the member whose turn it is; `now` is in seconds of any monotonic clock."""
        seat = self._ready.popleft()
        if seat is None:
            effects = list(self._operate(self._operator.popleft(), now))
            if self._operator:
                self._ready.append(None)
            return effects
        if seat.is_lost:
            return [*self._dropped(seat, RoomInfo.NOT_JOINED), *self._out(seat), *self._vacated(seat)]
        if not seat.waiting:  # it was removed meanwhile
            return []
        effects = list(self._serve(seat, seat.waiting.popleft(), now))
        if seat.waiting:
            self._ready.append(seat)
        elif not seat.has_joined:
            effects += self._vacated(seat)
        return effects

    def close(self, info: str) -> list[Effect[M]]:
        """The room is over: everybody is out, with no LEFT, as one who is kicked. Nothing that waits is done."""
        self._members.clear()
        effects: list[Effect[M]] = []
        for seat in tuple(self._seats.values()):
            effects += [*self._dropped(seat, info), *self._vacated(seat, info)]
        effects += [RequestAnswered(operation=request.operation, info=info) for request in self._operator]
        self._operator.clear()
        self._ready.clear()
        return effects

    def _serve(self, seat: RoomSeat[M], request: MemberRequest, now: float) -> Iterator[Effect[M]]:
        match request:
            case JoinRequest():
                yield from self._join(seat, request, now)
            case StreamStarted() | StreamOver() if not seat.has_joined:
                pass  # it was in the room when it was asked for
            case StreamStarted():
                yield from self._stream_started(seat, request)
            case StreamOver():
                yield from self._stream_over(seat, request)
            case _ if not seat.has_joined:
                yield RequestAnswered(operation=request.operation, info=RoomInfo.NOT_JOINED)
            case LeaveRequest():
                yield RequestAnswered(operation=request.operation)
                yield from self._out(seat)
                yield HasLeft(member=seat.member)
            case LookRequest():
                yield RequestAnswered(operation=request.operation)
            case MessageRequest():
                yield from self._message(seat, request)

    def _operate(self, request: OperatorRequest, now: float) -> Iterator[Effect[M]]:
        match request:
            case KickRequest():
                yield from self._kick(request, now)
            case PostRequest(sender=None):
                yield RequestAnswered(operation=request.operation)
                yield self._tell(self._members.values(), RoomEventName.DATA, request.content, tally=request.tally)
            case PostRequest(sender=str(sender)):
                yield from self._post(sender, request)

    # -- joining and leaving -----------------------------------------------------------------------

    def _join(self, seat: RoomSeat[M], request: JoinRequest, now: float) -> Iterator[Effect[M]]:
        refusal = None if seat.has_joined else self._refusal(seat, request, now)
        if refusal is not None:
            yield RequestAnswered(operation=request.operation, info=refusal.info, limit=refusal.limit)
            return
        yield RequestAnswered(operation=request.operation)
        if not seat.has_joined and seat.login in self._members:
            yield from self._removed(self._members[seat.login], RoomInfo.DISPLACED)
        others = [other for other in self._members.values() if other is not seat]
        if not request.returns:
            yield self._tell([seat], RoomEventName.STATE, [entry for other in others for entry in other.entries])
        if not seat.has_joined:
            seat.has_joined, seat.since = True, request.at
            self._members[seat.login] = seat
            self._size += _size(seat.login)
            yield self._tell(others, RoomEventName.JOINED, seat.login, about=seat.session_id)

    def _refusal(self, seat: RoomSeat[M], request: JoinRequest, now: float) -> RoomRefused | None:
        """Why this seat must not join; None if it may."""
        if banned := self._bans.refusal(self._key, login=seat.login, session_id=seat.session_id, now=now):
            return RoomRefused(banned)
        if seat.login in self._members:  # it takes the place of the one who has it
            return None if self._members[seat.login].yields_to(request) else RoomRefused(RoomInfo.DISPLACED)
        if len(self._members) >= self._max_members or self._size + _size(seat.login) > MAX_STATE_SIZE:
            return RoomRefused(RoomInfo.ROOM_IS_FULL, limit="rooms.max_members")
        return None

    def _out(self, seat: RoomSeat[M]) -> Iterator[Effect[M]]:
        """It is a member no more; the others are told, if it was one."""
        if not seat.has_joined:
            return
        seat.has_joined = False
        del self._members[seat.login]
        self._size -= _size(seat.login) + sum(_stream_size(seat.login, stream) for stream in seat.streams.values())
        seat.streams.clear()
        yield self._tell(self._members.values(), RoomEventName.LEFT, seat.login)

    def _removed(self, seat: RoomSeat[M], info: str, kick: Kick | None = None) -> Iterator[Effect[M]]:
        """It is out and did not want it."""
        yield from self._dropped(seat, info)
        yield from self._out(seat)
        yield from self._vacated(seat, info, kick)

    def _dropped(self, seat: RoomSeat[M], info: str) -> Iterator[Effect[M]]:
        """Nothing that it still asks for is done."""
        for request in seat.waiting:
            if not isinstance(request, StreamStarted | StreamOver):
                yield RequestAnswered(operation=request.operation, info=info)
        seat.waiting.clear()

    def _vacated(self, seat: RoomSeat[M], info: str | None = None, kick: Kick | None = None) -> Iterator[Effect[M]]:
        del self._seats[seat.member]
        seat.is_lost = False  # should its turn come, there is nothing to do
        yield SeatTaken(member=seat.member, info=info, kick=kick)

    # -- streams and messages ----------------------------------------------------------------------

    def _stream_started(self, seat: RoomSeat[M], started: StreamStarted) -> Iterator[Effect[M]]:
        stream = RoomStream(media_session_id=started.media_session_id, name=started.name, since=started.at)
        size = _stream_size(seat.login, stream)
        if self._size + size > MAX_STATE_SIZE:
            full = RoomInfo.ROOM_IS_FULL
            yield StreamUnwelcome(member=seat.member, media_session_id=started.media_session_id, info=full)
            return
        self._size += size
        seat.streams[started.media_session_id] = stream
        yield self._tell_of_stream(seat, stream, RoomEventName.PUBLISHED)

    def _stream_over(self, seat: RoomSeat[M], over: StreamOver) -> Iterator[Effect[M]]:
        stream = seat.streams.pop(over.media_session_id, None)
        if stream is not None:  # otherwise it was never announced, or it belongs to an earlier membership
            self._size -= _stream_size(seat.login, stream)
            name = RoomEventName.FAILED if over.failed else RoomEventName.UNPUBLISHED
            yield self._tell_of_stream(seat, stream, name)

    def _tell_of_stream(self, seat: RoomSeat[M], stream: RoomStream, name: RoomEventName) -> Told[M]:
        entry, about = _stream_entry(seat.login, stream.name), stream.media_session_id
        return self._tell(_others(self._members, seat), name, entry, about=about)

    def _message(self, seat: RoomSeat[M], request: MessageRequest) -> Iterator[Effect[M]]:
        receiver = self._members.get(request.to)
        if receiver is None or receiver is seat:  # a page does not know itself as a participant
            yield RequestAnswered(operation=request.operation, info=RoomInfo.NO_SUCH_PARTICIPANT)
            return
        yield self._tell([receiver], RoomEventName.MESSAGE, _message_info(seat.login, request.text))
        yield RequestAnswered(operation=request.operation)

    # -- operators ---------------------------------------------------------------------------------

    def _kick(self, request: KickRequest, now: float) -> Iterator[Effect[M]]:
        seat = self._members.get(request.login)
        if seat is None:
            yield RequestAnswered(operation=request.operation, info=RoomInfo.NO_SUCH_PARTICIPANT)
            return
        info = request.kick.reason or RoomInfo.KICKED
        if request.seconds > 0:
            until = now + request.seconds
            self._bans.add(self._key, login=seat.login, session_id=seat.session_id, until=until, info=info)
        yield from self._removed(seat, info, request.kick)
        yield RequestAnswered(operation=request.operation)

    def _post(self, sender: str, request: PostRequest) -> Iterator[Effect[M]]:
        seat = self._members.get(sender)
        if seat is None:
            yield RequestAnswered(operation=request.operation, info=RoomInfo.NO_SUCH_PARTICIPANT)
            return
        yield RequestAnswered(operation=request.operation)
        info = _message_info(sender, request.content)
        yield self._tell(_others(self._members, seat), RoomEventName.MESSAGE, info, tally=request.tally)

    # -- telling -----------------------------------------------------------------------------------

    def _tell(self, seats: Iterable[RoomSeat[M]], name: RoomEventName, info: Any, **more: Any) -> Told[M]:
        receivers = tuple(seat.member for seat in seats if not seat.is_lost)
        return Told(to=receivers, event=RoomEvent(self.name, name, info, **more))


def _others(members: Mapping[str, RoomSeat[M]], seat: RoomSeat[M]) -> list[RoomSeat[M]]:
    return [other for other in members.values() if other is not seat]


def _stream_entry(login: str, name: str) -> dict[str, str]:
    return {"login": login, "name": name}


def _message_info(sender: str, text: Any) -> dict[str, Any]:
    return {"from": sender, "text": text}


def _stream_size(login: str, stream: RoomStream) -> int:
    return _size(_stream_entry(login, stream.name))


def _size(entry: Any) -> int:
    return len(json.dumps(entry))
