"""A room as it is on the node of some of its members: it turns to the node that has the room, wherever that is now.

attach   find that node, or become it; tell it which members are here
words    what members ask goes there in order, a batch after the other, each until acknowledged
news     what follows comes back, and is passed on
detach   that node is gone, or has the room no more: attach again, and tell the members what they have missed
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

import trio
from attrs import define

from actors.cluster.names import NameOutcome
from actors.cluster.rooms.carrier import HERE, RoomCarrier
from actors.node.termination import Follower
from actors.rooms.clustered.reading import Reading
from actors.rooms.clustered.seats import BranchSeat, Command, OpenCommand
from actors.rooms.clustered.words_line import WordsLine
from actors.rooms.member import RoomClient, RoomMember
from protocol.cluster.claims import Named
from protocol.cluster.rooms.messages import (
    GAP,
    TAKEN,
    AskJoin,
    AskLeave,
    AskMessage,
    RoomNews,
    RoomWord,
    StreamBegun,
    StreamEnded,
)
from protocol.rooms.bans import RoomKey
from protocol.rooms.info_texts import RoomInfo, RoomRefused
from protocol.rooms.requests import JoinRequest, LeaveRequest, MemberRequest, MessageRequest, StreamOver, StreamStarted
from protocol.rooms.room_state import MAX_WAITING, RoomStream

COMMAND_DEADLINE: Final = 10.0
"""Seconds in which a command is answered, one way or another; longer than it takes to notice that a node is dead."""
TRY_AGAIN: Final = 0.1
"""Seconds until the room's node is looked for again."""


@define(kw_only=True)
class BranchServices:
    """What all rooms share that have members on this node."""

    carrier: RoomCarrier
    now_ms: Callable[[], int]
    new_id: Callable[[], str]
    host: Callable[[RoomKey, Named], None]
    """The room is here from now on."""
    is_here: Callable[[RoomKey], bool]
    """Whether it is here already."""
    is_closing: Callable[[], bool]
    """Whether this server ends, so that it must take no more rooms."""


async def find_room(key: RoomKey, services: BranchServices) -> tuple[str | None, bool]:
    """The node that has the room, or this one if it gets it. None: not now; and whether no node may have it."""
    if services.is_here(key):
        return HERE, False
    holder = await services.carrier.holder_of(key)
    if holder is not None:
        services.carrier.heard(holder)
        return holder, False
    if services.is_closing():
        return None, False
    named, outcome = await services.carrier.claim(key)
    if outcome in (NameOutcome.CONFIRMED, NameOutcome.ON_TRUST):
        services.host(key, named)
        return HERE, False
    return None, outcome is NameOutcome.REFUSED


class RoomBranch:
    """See above. Implements `actors.rooms.member.RoomPort`; `run` ends when nobody here is in the room."""

    def __init__(self, key: RoomKey, services: BranchServices) -> None:
        self.key = key
        self._services = services
        self._seats: dict[str, BranchSeat] = {}
        self._ids: dict[RoomMember, str] = {}
        self._reading = Reading(key[1], self._seats, self)
        self._line = WordsLine(key, services.carrier)
        self._number = 0
        self._commands = 0
        self._is_owing = False
        """Whether the room's node may have members of this one that are gone."""
        self._work = trio.Event()
        self._attachment = trio.CancelScope()

    # -- for sessions ------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self.key[1]

    @property
    def host(self) -> str | None:
        """The member of the cluster that has the room; None: it is being looked for."""
        return self._line.host

    @property
    def member_count(self) -> int:
        """How many are in the room, as far as it is known here."""
        return self._reading.member_count

    @property
    def is_needed(self) -> bool:
        """Whether somebody here is in the room, or its node must be told that nobody is."""
        return bool(self._seats or self._line or self._is_owing)

    @property
    def has_members(self) -> bool:
        """Whether somebody here has joined."""
        return any(seat.has_joined for seat in self._seats.values())

    def now_ms(self) -> int:
        return self._services.now_ms()

    def enter(self, client: RoomClient, *, login: str, session_id: str, address: str, called: str) -> RoomMember:
        """A seat, from which the client may ask to join."""
        member = RoomMember(self, client, called=called)
        seat = BranchSeat(
            id=self._services.new_id(), member=member, login=login, session_id=session_id, address=address
        )
        self._seats[seat.id], self._ids[member] = seat, seat.id
        return member

    def submit(self, member: RoomMember, request: MemberRequest) -> None:
        """Ask the room's node. RoomRefused, for a command only, if that is not taken."""
        seat = self._seats.get(self._ids.get(member, ""))
        match request:
            case StreamStarted():
                if seat is not None:
                    self._stream_begun(seat, request)
            case StreamOver():
                if seat is not None and seat.streams.pop(request.media_session_id, None) is not None:
                    ended = StreamEnded(seat=seat.id, media_session_id=request.media_session_id, failed=request.failed)
                    self._say(seat, ended)
            case JoinRequest() | LeaveRequest() | MessageRequest():
                if seat is None:
                    raise RoomRefused(RoomInfo.NOT_JOINED)
                self._command(seat, request)

    def lost(self, member: RoomMember) -> None:
        """The member's session is gone."""
        seat = self._seats.get(self._ids.get(member, ""))
        if seat is None:
            return
        self.remove(seat)
        self._line.say_lost(seat)

    def streams_of(self, seat_id: str) -> Iterable[Follower]:
        """The streams of a seat in the room."""
        seat = self._seats.get(seat_id)
        return () if seat is None else seat.member.client.room_streams(seat.member)

    # -- for the room's node -----------------------------------------------------------------------

    async def take(self, news: RoomNews) -> tuple[str, int]:
        """The verdict about a message, and how many bans it has led to."""
        if news.line != self._line.id or self.host is None:
            self._is_owing = self._is_owing or self.host is None
            return GAP, 0  # it comes, or another node has the room by now
        if news.number <= self._reading.number:
            return TAKEN, 0
        if news.number != self._reading.number + 1:
            self.detach(is_known=True)
            return GAP, 0
        self._reading.number = news.number
        return TAKEN, await self._reading.read(news, lambda: self._line.id == news.line)

    def detach(self, *, is_known: bool = False) -> None:
        """The room's node is gone, or has it no more. `is_known`: it may be there, and have members of this node."""
        self._is_owing = is_known
        self._line.end()
        for seat in tuple(self._seats.values()):
            if not seat.detach():
                self._vacate(seat)
        self._attachment.cancel()
        self._wake()

    def tick(self, now: float) -> None:
        """Refuse what was asked too long ago."""
        for seat in tuple(self._seats.values()) if self._commands else ():
            while overdue := seat.overdue(now):  # one that is given up may take others with it
                self._give_up(seat, overdue[0])
        self._commands = sum(len(seat.commands) for seat in self._seats.values())

    # -- for what is read --------------------------------------------------------------------------

    def synced(self) -> None:
        """All members here know who is in the room: those who want to join may."""
        for seat in self._seats.values():
            if not seat.is_known:
                self._introduce(seat)

    def remove(self, seat: BranchSeat) -> None:
        """It is void."""
        self._seats.pop(seat.id, None)
        self._ids.pop(seat.member, None)
        self._reading.check()
        self._wake()

    def introduce_again(self, seat: BranchSeat) -> None:
        """It has left, and has asked something since: it needs a new seat there."""
        seat.is_known = False
        if not self._reading.is_syncing:
            self._introduce(seat)

    # -- what is asked -----------------------------------------------------------------------------

    def _command(self, seat: BranchSeat, request: Command) -> None:
        if len(seat.commands) >= MAX_WAITING:
            raise RoomRefused(RoomInfo.TOO_MANY_COMMANDS)
        self._number += 1
        seat.commands[self._number] = OpenCommand(request, trio.current_time() + COMMAND_DEADLINE)
        self._commands += 1
        if not seat.is_known:
            self._introduce(seat)
        else:
            self._say(seat, seat.word(self._number, request))

    def _stream_begun(self, seat: BranchSeat, started: StreamStarted) -> None:
        if not seat.has_joined:
            return
        stream = RoomStream(media_session_id=started.media_session_id, name=started.name, since=started.at)
        seat.streams[stream.media_session_id] = stream
        self._say(seat, StreamBegun(seat=seat.id, stream=stream))

    def _introduce(self, seat: BranchSeat) -> None:
        if self.host is None or self._reading.is_syncing:
            return  # it will be
        seat.is_known = True
        self._line.say(seat.take_seat(), *seat.words())
        self._wake()

    def _say(self, seat: BranchSeat, word: RoomWord) -> None:
        if self.host is None or not seat.is_known:
            return  # it is said again
        self._line.say(word)
        self._wake()

    def _give_up(self, seat: BranchSeat, number: int) -> None:
        request = seat.commands[number].request
        is_leave = isinstance(request, LeaveRequest)
        seat.answer(number, None if is_leave else RoomInfo.ROOM_IS_UNREACHABLE)
        self._line.drop_command(number)
        if is_leave:
            seat.has_joined = False
            seat.member.client.room_left(seat.member)
            seat.answer_all(RoomInfo.ROOM_IS_UNREACHABLE)  # what it has asked since
        if not seat.has_joined and not seat.commands:
            self.lost(seat.member)
            seat.member.client.room_seat_taken(seat.member, None, None)

    def _wake(self) -> None:
        self._work.set()

    # -- life --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Attach and send until nobody here is in the room."""
        while self.is_needed:
            with trio.CancelScope() as self._attachment:
                await self._serve()
            if self.is_needed:
                await trio.sleep(TRY_AGAIN)

    async def _serve(self) -> None:
        if not await self._attach():
            return
        while self.is_needed:
            await self._work.wait()
            self._work = trio.Event()
            while self._line:
                await self._send()

    async def _attach(self) -> bool:
        if not self._seats and await self._services.carrier.holder_of(self.key) is None:
            self._is_owing = False  # nobody has members of this node
            return False
        host, is_refused = await find_room(self.key, self._services)
        if is_refused:
            self._refuse()
        if host is None:
            return False
        self._line.begin(host, self._services.new_id())
        joined = [seat for seat in self._seats.values() if seat.has_joined]
        self._reading.begin(is_syncing=bool(joined))
        self._is_owing = False
        for seat in self._seats.values():
            seat.is_known = seat.has_joined
        for seat in joined:
            self._line.say(*seat.words())
        if not joined:
            self.synced()
        return self._is_taken(await self._line.tell((), records=[seat.record() for seat in joined]))

    def _refuse(self) -> None:
        """No node has the room, and none may take it: nobody can join now."""
        for seat in tuple(self._seats.values()):
            if not seat.has_joined:
                seat.answer_all(RoomInfo.CLUSTER_IS_UNREACHABLE)
                self._vacate(seat)

    def _vacate(self, seat: BranchSeat) -> None:
        self.remove(seat)
        seat.member.client.room_seat_taken(seat.member, None, None)

    async def _send(self) -> None:
        words = self._line.next_batch()
        for word in words:
            if isinstance(word, AskJoin | AskLeave | AskMessage):
                with suppress(KeyError):
                    self._seats[word.seat].commands[word.command].is_sent = True
        self._is_taken(await self._line.tell(words))

    def _is_taken(self, verdict: str | None) -> bool:
        if verdict != TAKEN:
            self.detach(is_known=verdict == GAP)
        return verdict == TAKEN
