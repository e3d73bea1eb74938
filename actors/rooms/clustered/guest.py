"""A member on any node, as the `RoomClient` of a room on this one."""

from collections.abc import Callable, Iterable
from typing import Protocol

from actors.node.termination import Follower
from actors.rooms.clustered.news_line import NewsLine
from actors.rooms.member import RoomMember
from protocol.access.kicks import Kick
from protocol.cluster.ends import End
from protocol.cluster.rooms.messages import (
    AnswerNews,
    AskJoin,
    AskLeave,
    AskMessage,
    LeftNews,
    Listing,
    OutNews,
    RoomWord,
    SeatLost,
    SeatRecord,
    StreamBegun,
    StreamEnded,
    UnwelcomeNews,
)
from protocol.rooms.events import RoomEvent
from protocol.rooms.info_texts import RoomInfo, RoomRefused
from protocol.rooms.requests import (
    JoinRequest,
    LeaveRequest,
    LookRequest,
    MemberRequest,
    MessageRequest,
    StreamOver,
    StreamStarted,
)


class Host(Protocol):
    """The room of a guest."""

    def is_open(self, info: str | None) -> bool: ...
    def vacated(self, guest: "Guest", info: str | None) -> bool: ...
    def listing(self) -> Listing: ...
    def streams_of(self, guest: "Guest") -> Iterable[Follower]: ...


class Guest:
    """See above. It is mute once nothing more is to be said of it."""

    def __init__(self, host: Host, line: NewsLine, seat: str) -> None:
        self.seat, self.line = seat, line
        self.place: RoomMember | None = None
        self.is_mute = False
        self._host = host
        self._streams: set[str] = set()

    # -- what it asks ------------------------------------------------------------------------------

    def hear(self, word: RoomWord) -> None:
        """A word of its session."""
        match word:
            case AskJoin():
                self._command(JoinRequest(at=word.at, operation=self._answer(word.command)), word.command)
            case AskLeave():
                self._command(LeaveRequest(operation=self._answer(word.command)), word.command)
            case AskMessage():
                asked = MessageRequest(to=word.to, text=word.text, operation=self._answer(word.command))
                self._command(asked, word.command)
            case StreamBegun(stream=stream):
                self._begin(StreamStarted(media_session_id=stream.media_session_id, name=stream.name, at=stream.since))
            case StreamEnded():
                self._end(word.media_session_id, failed=word.failed)
            case SeatLost():
                self.lost()

    def reconcile(self, record: SeatRecord) -> None:
        """It is in the room with these streams, whether the room knows it or not."""
        try:
            self._submit(JoinRequest(at=record.since, returns=True, operation=self._came_back))
        except RoomRefused as refused:
            self._came_back(refused.info)
            return
        for media_session_id in self._streams - {stream.media_session_id for stream in record.streams}:
            self._end(media_session_id, failed=False)
        for stream in record.streams:
            if stream.media_session_id not in self._streams:
                self.hear(StreamBegun(seat=self.seat, stream=stream))

    def _came_back(self, info: str | None) -> None:
        if info is not None and not self.is_mute:
            self.line.put(OutNews(seat=self.seat, info=info))

    def look(self, answered: Callable[[bool], None]) -> None:
        """Whether it is in the room, when all that it asked for before is done."""
        try:
            self._submit(LookRequest(operation=lambda info: answered(info is None)))
        except RoomRefused:
            answered(False)

    def lost(self) -> None:
        """Its session is gone."""
        self.is_mute = True
        if self.place is not None:
            self.place.lost()

    def _command(self, request: MemberRequest, command: int) -> None:
        try:
            self._submit(request)
        except RoomRefused as refused:
            self._answer(command)(refused.info)

    def _begin(self, started: StreamStarted) -> None:
        if started.media_session_id in self._streams:
            return
        self._streams.add(started.media_session_id)
        self._submit(started)

    def _end(self, media_session_id: str, *, failed: bool) -> None:
        self._streams.discard(media_session_id)
        self._submit(StreamOver(media_session_id=media_session_id, failed=failed))

    def _submit(self, request: MemberRequest) -> None:
        if self.place is None:
            raise RoomRefused(RoomInfo.NOT_JOINED)
        self.place.submit(request)

    def _answer(self, command: int) -> Callable[[str | None], None]:
        def answered(info: str | None) -> None:
            if not self.is_mute and self._host.is_open(info):
                self.line.put(AnswerNews(seat=self.seat, command=command, info=info))

        return answered

    # -- as the client of the room -----------------------------------------------------------------

    def room_event(self, member: RoomMember, event: RoomEvent) -> None:
        if self.is_mute:
            return
        is_sent = self.line.tell(self.seat, event, self._host.listing)
        if event.tally is not None:
            event.tally.count(sent=is_sent)

    def room_left(self, member: RoomMember) -> None:
        self._streams.clear()
        if not self.is_mute:
            self.line.put(LeftNews(seat=self.seat))

    def room_seat_taken(self, member: RoomMember, info: str | None, kick: Kick | None) -> None:
        is_told = not self.is_mute
        if self._host.vacated(self, info) and is_told:
            end = None if kick is None else End.of("room-kick", info or "", kick)
            self.line.put(OutNews(seat=self.seat, info=info, end=end), kick)
        self.is_mute = True

    def room_streams(self, member: RoomMember) -> Iterable[Follower]:
        return self._host.streams_of(self)

    def room_refuses_stream(self, member: RoomMember, media_session_id: str, info: str) -> None:
        self._streams.discard(media_session_id)
        if not self.is_mute:
            self.line.put(UnwelcomeNews(seat=self.seat, media_session_id=media_session_id, info=info))
