"""The rooms of one client: what it asks of them, and what they tell it.

In an application with rooms, the payload of a `sendData` that has a `command` is for a room, and a publish or play with
`custom: {"name": room}` belongs to one. In all other applications both are the page's own.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import trio
from attrs import asdict, define, evolve, frozen

from actors.node.bans import Bans
from actors.node.supervisor import Supervisor
from actors.rooms import STREAMS_TERMINATED, RoomMember, RoomPlaces
from actors.runtime.actor import StopReason
from actors.session.requests.data_exchange import Settle
from actors.session.requests.websdk_owner import SessionOwner
from actors.stream import Stream, StreamServices
from actors.stream.end_reasons import failed
from protocol.access.kicks import Kick
from protocol.common.rate_limit import RateLimit
from protocol.rooms.bans import RoomKey
from protocol.rooms.commands import (
    JoinCommand,
    LeaveCommand,
    MessageCommand,
    RoomCommand,
    checked_name,
    is_command,
    read_command,
    room_named,
)
from protocol.rooms.events import RoomEvent
from protocol.rooms.info_texts import RoomInfo, RoomRefused
from protocol.rooms.requests import JoinRequest, LeaveRequest, MessageRequest, StreamOver, StreamStarted
from protocol.signaling.frame_codec import encode
from protocol.signaling.frames import OnDataEvent, PublishStream, StartRequest
from protocol.signaling.session_statuses import DataStatus
from protocol.stream.info_texts import StreamInfo
from protocol.stream.status_notice import StatusNotice
from protocol.stream.statuses import StreamStatus

MAX_ROOMS: Final = 32
"""Rooms that one session may be in at a time."""

KICKED = StopReason(cause="room-kick", info=StreamInfo.STOPPED_BY_REST_TERMINATE)
Answer = Callable[[str | None], None]
"""Answers a command: None if it is done, else the reason why not."""
_REASONS: Final[Mapping[str, StopReason]] = {RoomInfo.TERMINATED: STREAMS_TERMINATED}


@frozen(kw_only=True)
class RoomAccess:
    """What a session needs to be in rooms. `login` is what its `custom.login` holds: any JSON."""

    directory: RoomPlaces
    supervisor: Supervisor
    bans: Bans
    login: Any
    address: str


def room_access(
    directory: RoomPlaces, owner: SessionOwner, connected: Mapping[str, Any], services: StreamServices
) -> RoomAccess | None:
    """For a session of an application with rooms. `connected`: the `connection`, as the backend has answered it."""
    if not owner.lane.app.rooms:
        return None
    custom = connected.get("custom")
    login = custom.get("login") if isinstance(custom, Mapping) else None
    return RoomAccess(
        directory=directory,
        supervisor=services.supervisor,
        bans=services.bans,
        login=login,
        address=owner.subject.address or "",
    )


@define(eq=False)
class _RoomPlace:
    """One room as this session's page knows it. Without a member it is out, and `info` says why."""

    member: RoomMember | None
    has_joined: bool = False
    info: str = RoomInfo.NOT_JOINED


@frozen(kw_only=True)
class RoomStreamOwner(SessionOwner):
    """The session as the owner of streams in one room, which learns what is published."""

    member: RoomMember

    def status(self, notice: StatusNotice) -> None:
        super().status(notice)
        stream = notice.stream
        if not stream.published:
            return
        if stream.status == StreamStatus.PUBLISHING:
            at = self.member.room.now_ms()
            self.member.submit(StreamStarted(media_session_id=stream.media_session_id, name=stream.name, at=at))
        elif stream.status in (StreamStatus.UNPUBLISHED, StreamStatus.FAILED):
            has_failed = stream.status == StreamStatus.FAILED
            self.member.submit(StreamOver(media_session_id=stream.media_session_id, failed=has_failed))


class SessionRooms:
    """The rooms of one session, as `DataHandler` of its data and as `RoomClient` of its rooms.

    `streams` are all streams of the session.
    """

    def __init__(self, owner: SessionOwner, access: RoomAccess, streams: Mapping[str, Stream]) -> None:
        services = access.directory.services
        self._owner = owner
        self._access = access
        self._streams = streams
        self._max_message_size = services.settings.rooms_max_message_size
        self._refusals = services.refusals
        most = services.settings.max_stream_event_frames
        self._frames = RateLimit(most, 2 * most)
        self._places: dict[str, _RoomPlace] = {}

    @property
    def joined(self) -> tuple[str, ...]:
        """The names of the rooms that it is in."""
        return tuple(place.member.room.name for place in self._places.values() if place.member and place.has_joined)

    # -- as the handler of its data ----------------------------------------------------------------

    def take(self, payload: Any, settle: Settle, *, sent: Any) -> None:
        """Do what a command asks; accept everything else."""
        if not is_command(payload):
            settle(DataStatus.ACCEPTED)
            return

        def answered(info: str | None) -> None:
            settle(DataStatus.ACCEPTED if info is None else DataStatus.FAILED, info)

        try:
            command = read_command(payload, max_message_size=self._max_message_size)
            called = command.room if sent is payload else room_named(sent) or command.room
            self._do(command, called, answered)
        except RoomRefused as refused:
            self._note(refused)
            answered(refused.info)

    def end(self) -> None:
        """The session is over: it is in no room any more, whatever it has asked for."""
        for place in self._places.values():
            if place.member is not None:
                place.member.lost()
        self._places.clear()

    # -- as the judge of its streams ---------------------------------------------------------------

    def owner_of(self, request: StartRequest) -> tuple[SessionOwner, str | None]:
        """Who owns the stream that is asked for, and the room it belongs to. RoomRefused if that is not joined."""
        asked = request.custom.get("name") if isinstance(request.custom, dict) else None
        if asked is None:
            return self._owner, None
        name = checked_name(asked, "room name")
        place = self._place(name, called=name)
        if place.member is None or not place.has_joined:
            raise RoomRefused(place.info)
        if isinstance(request, PublishStream):
            self._charge_publication(place.member.room.name)
        in_room = RoomStreamOwner(**asdict(self._owner, recurse=False), member=place.member)
        return in_room, place.member.room.name

    # -- as the client of its rooms ----------------------------------------------------------------

    def room_event(self, member: RoomMember, event: RoomEvent) -> None:
        text = event.form(_encoded) if member.called == event.room else _encoded(event, member.called)
        if event.tally is None:
            self._owner.writer.send_text(text)
        else:
            event.tally.count(sent=self._owner.writer.offer_text(text))

    def room_left(self, member: RoomMember) -> None:
        """Its live streams are stopped by the page itself; those that are not yet live must not appear there."""
        place = self._places.get(member.called)
        if place is not None and place.member is member:
            place.has_joined = False
        self._stop_streams(member, failed(RoomInfo.NOT_JOINED), only_starting=True)

    def room_seat_taken(self, member: RoomMember, info: str | None, kick: Kick | None) -> None:
        if kick is not None:
            self._access.bans.member_removed(kick, self._owner.subject, room=member.room.name)
        place = self._places.get(member.called)
        if place is not None and place.member is member:
            del self._places[member.called]
            if info is not None:  # what it asks next is answered by the reason
                self._places[member.called] = _RoomPlace(None, info=info)
        if info is not None:
            self._stop_streams(member, _kicked(kick) if kick is not None else _REASONS.get(info) or failed(info))

    def room_streams(self, member: RoomMember) -> list[Stream]:
        name = member.room.name
        return [stream for stream in self._streams.values() if stream.room_name == name]

    def room_refuses_stream(self, member: RoomMember, media_session_id: str, info: str) -> None:
        stream = self._streams.get(media_session_id)
        if stream is not None:
            stream.stop(failed(info))

    # -- inside ------------------------------------------------------------------------------------

    def _do(self, command: RoomCommand, called: str, answered: Answer) -> None:
        match command:
            case JoinCommand():
                self._join(command.room, called, answered)
            case LeaveCommand():
                self._member(command.room, called).submit(LeaveRequest(operation=answered))
            case MessageCommand(room=room, to=to, text=text):
                self._member(room, called).submit(MessageRequest(to=to, text=text, operation=answered))

    def _join(self, name: str, called: str, answered: Answer) -> None:
        login = checked_name(self._access.login, "login")
        banned = self._access.bans.refusal_of_member(self._owner.subject, room=name)
        if banned is not None:
            raise RoomRefused(banned)
        self._charge(name, RoomInfo.TOO_MANY_JOINS)
        place = self._places.get(called)
        if place is None or place.member is None:
            place = self._enter(name, called, login)
        member = place.member
        if member is None or member.room.name != name:
            raise RoomRefused(RoomInfo.ALREADY_JOINED)

        def joined(info: str | None) -> None:
            place.has_joined = place.has_joined or info is None
            answered(info)

        member.submit(JoinRequest(at=member.room.now_ms(), operation=joined))

    def _enter(self, name: str, called: str, login: str) -> _RoomPlace:
        if any(place.member is not None and place.member.room.name == name for place in self._places.values()):
            raise RoomRefused(RoomInfo.ALREADY_JOINED)
        if len(self._places) >= MAX_ROOMS:
            self._places = {name: place for name, place in self._places.items() if place.member is not None}
        if len(self._places) >= MAX_ROOMS:
            raise RoomRefused(RoomInfo.TOO_MANY_ROOMS_JOINED, limit=f"{MAX_ROOMS} rooms of a session")
        member = self._access.directory.enter(
            self._key(name),
            self,
            login=login,
            session_id=self._owner.context.session_id,
            address=self._access.address,
            called=called,
        )
        place = self._places[called] = _RoomPlace(member)
        return place

    def _key(self, name: str) -> RoomKey:
        return (self._owner.context.app_key, name)

    def _charge_publication(self, name: str) -> None:
        try:
            self._charge(name, RoomInfo.TOO_MANY_PUBLICATIONS)
        except RoomRefused as refused:
            self._note(refused)
            raise

    def _charge(self, name: str, info: RoomInfo) -> None:
        """A join and the leave that follows, a publication and its end, concern every member: who does it all the time
        must wait. RoomRefused with `info`.
        """
        room = self._access.directory.get(self._key(name))
        now = trio.current_time()
        if self._frames.charge(now, 0) > 0:
            raise RoomRefused(info, limit="max_stream_event_frames")
        self._frames.charge(now, 2 * room.member_count if room is not None else 1)

    def _note(self, refused: RoomRefused) -> None:
        if refused.limit is not None:
            session = self._owner.context.session_id
            self._refusals.warning("refused by a room", session=session, info=refused.info, limit=refused.limit)

    def _member(self, name: str, called: str) -> RoomMember:
        place = self._place(name, called=called)
        if place.member is None:
            raise RoomRefused(place.info)
        return place.member

    def _place(self, name: str, *, called: str) -> _RoomPlace:
        """The place in the room `name`, which the page knows as `called`."""
        renamed = [place for place in self._places.values() if place.member and place.member.room.name == name]
        known = [self._places[called]] if called in self._places else []
        found = renamed + known if name != called else known + renamed
        return found[0] if found else _RoomPlace(None)

    def _stop_streams(self, member: RoomMember, reason: StopReason, *, only_starting: bool = False) -> None:
        streams = self.room_streams(member)
        if only_starting:
            streams = [stream for stream in streams if stream.published and not stream.is_live]
        self._access.supervisor.stop_streams(streams, reason)


def _kicked(kick: Kick) -> StopReason:
    """Why the streams of a kicked member end. Its ban is one on joining, none on their names."""
    return evolve(KICKED, info=kick.reason or KICKED.info)


def _encoded(event: RoomEvent, called: str | None = None) -> str:
    return encode(OnDataEvent(payload=event.payload(called)))
