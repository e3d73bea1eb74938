"""A room: an actor with a task and a mailbox, which carries out what `protocol.rooms.room_state` decides.

    submit, operate, lost -> [ queues of RoomState ] -> [ mailbox: one wake-up ] -> step -> tell, answer

Requests wait in bounded queues of the state, where members take turns, so no member can fill the mailbox: it holds one
wake-up at a time. The next request is carried out when everybody has been told what follows from the one before.
Telling hundreds of members is done in slices, with media in between.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import ClassVar

import trio
from attrs import define, field, frozen

from actors.node.termination import Follower
from actors.rooms.member import RoomClient, RoomMember
from actors.runtime.actor import CRASHED, SHUTDOWN, Actor, ActorStopped, StopReason
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.stream.fan_out import EventFanOut
from config.settings import Settings
from protocol.rooms.bans import RoomBans, RoomKey
from protocol.rooms.descriptions import RoomDescription, RoomMemberDescription
from protocol.rooms.events import RoomEvent, RoomEventName
from protocol.rooms.info_texts import RoomInfo
from protocol.rooms.requests import (
    Effect,
    HasLeft,
    MemberRequest,
    OperatorRequest,
    RequestAnswered,
    SeatTaken,
    StreamUnwelcome,
    Told,
)
from protocol.rooms.room_state import RoomSeat, RoomState
from protocol.stream.info_texts import StreamInfo

log = get_logger("rooms")

EMPTY = StopReason(cause="empty")
TERMINATED = StopReason(cause="rest-terminate", info=RoomInfo.TERMINATED)
STREAMS_TERMINATED = StopReason(cause="room-terminate", info=StreamInfo.STOPPED_BY_REST_TERMINATE)
"""Why the streams in a room end that is terminated."""

_INFOS = {SHUTDOWN: RoomInfo.SERVER_IS_SHUTTING_DOWN, CRASHED: RoomInfo.FAILED_BY_ERROR}


@define(kw_only=True)
class RoomCounters:
    """Totals of all rooms since the server's start."""

    joined: int = 0
    messages: int = 0
    refused: int = 0
    events: int = 0
    """Events told to members, each receiver counted."""


@frozen(kw_only=True)
class RoomServices:
    """What all rooms of a server share."""

    node_id: str
    settings: Settings
    wall_clock: Callable[[], float]
    """Seconds since the epoch."""
    bans: RoomBans = field(factory=RoomBans)
    counters: RoomCounters = field(factory=RoomCounters)
    refusals: RateLimitedLog = field(factory=lambda: RateLimitedLog(log, clock=trio.current_time))


class WakeUp:
    """The one message of a room: there is work to do."""


class Room(Actor[WakeUp]):
    """One room of one application. `vacated(room)` is called when nobody is left in it."""

    mailbox_size: ClassVar[int] = 1
    leads = True

    def __init__(self, key: RoomKey, services: RoomServices, *, vacated: Callable[["Room"], None]) -> None:
        super().__init__()
        self.key = key
        self._app_key, self._name = key
        self._services = services
        self.created = self.now_ms()
        self._vacated = vacated
        self._state: RoomState[RoomMember] = RoomState(
            self._name,
            app_key=self._app_key,
            max_members=services.settings.rooms_max_members,
            bans=services.bans,
        )
        self._fan_out: EventFanOut[RoomEvent] = EventFanOut()
        self._is_awake = False
        self._peak_members = 0

    @property
    def name(self) -> str:
        return self._name

    def __repr__(self) -> str:
        return f"Room({self.name})"

    @property
    def member_count(self) -> int:
        return len(self._state)

    @property
    def logins(self) -> Iterator[str]:
        """Its members, in the order in which they joined."""
        return (seat.login for seat in self._state.members())

    @property
    def is_empty(self) -> bool:
        """Whether nobody is in it or asks to join."""
        return self._state.is_empty

    @property
    def is_telling(self) -> bool:
        """Whether some members have been told an event, and others not yet."""
        return not self._fan_out.is_idle

    # -- what sessions and operators ask -----------------------------------------------------------

    def enter(self, client: RoomClient, *, login: str, session_id: str, called: str) -> RoomMember:
        """A seat, from which the client may ask to join. Raises RoomRefused."""
        member = RoomMember(self, client, called=called)
        self._state.enter(member, login=login, session_id=session_id)
        return member

    def submit(self, member: RoomMember, request: MemberRequest) -> None:
        """Carry out a member's request in its turn. RoomRefused, for a command only, if it is not taken."""
        self._state.submit(member, request)
        self._wake()

    def lost(self, member: RoomMember) -> None:
        """The member's session is gone."""
        self._state.lost(member)
        self._wake()

    def operate(self, request: OperatorRequest) -> None:
        """Carry out an operator's request in its turn. RoomRefused if it is not taken."""
        self._state.operate(request)
        self._wake()

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return int(self._services.wall_clock() * 1000)

    def describe(self) -> RoomDescription:
        """This room as REST sees it."""
        return RoomDescription(
            node_id=self._services.node_id,
            app_key=self._app_key,
            name=self.name,
            create_date=self.created,
            members=tuple(map(_describe, self._state.members())),
        )

    # -- life --------------------------------------------------------------------------------------

    async def handle(self, message: WakeUp) -> None:
        self._is_awake = False
        if self._state.has_work:
            self._carry_out(self._state.step(trio.current_time()))
        await self._fan_out.run()
        self._wake()

    @property
    def weight(self) -> int:
        """How many actors end with it, itself included."""
        return 1 + sum(1 for _ in self._streams())

    def release_followers(self, reason: StopReason) -> Iterable[tuple[Follower, StopReason]]:
        """The streams in it, if it is terminated; at a shutdown they end with their sessions."""
        return ((stream, STREAMS_TERMINATED) for stream in self._streams()) if reason is TERMINATED else ()

    def _streams(self) -> Iterator[Follower]:
        return (stream for seat in self._state.members() for stream in seat.member.client.room_streams(seat.member))

    def teardown(self, reason: StopReason) -> None:
        self._carry_out(self._state.close(_INFOS.get(reason, reason.info or RoomInfo.TERMINATED)))
        self._vacated(self)

    async def on_stop(self, reason: StopReason) -> None:
        try:
            await self._fan_out.run()
        finally:
            self._fan_out.clear()

    def end_log_fields(self) -> dict[str, object]:
        return {"name": self._name, "app": self._app_key, "peak_members": self._peak_members}

    def _wake(self) -> None:
        if self._is_awake or not self._state.has_work:
            return
        self._is_awake = True
        with suppress(ActorStopped):
            self.post(WakeUp())

    # -- what follows ------------------------------------------------------------------------------

    def _carry_out(self, effects: list[Effect[RoomMember]]) -> None:
        for effect in effects:
            self._effect(effect)
        self._peak_members = max(self._peak_members, len(self._state))
        if self._state.is_empty and self.reason is None:
            self.stop(EMPTY)

    def _effect(self, effect: Effect[RoomMember]) -> None:
        match effect:
            case RequestAnswered():
                self._note_refusal(effect.info, effect.limit)
                effect.operation(effect.info)
            case Told():
                self._tell(effect)
            case HasLeft(member=member):
                member.client.room_left(member)
            case SeatTaken(member=member, info=info, kick=kick):
                member.client.room_seat_taken(member, info, kick)
            case StreamUnwelcome(member=member, media_session_id=stream, info=info, limit=limit):
                self._note_refusal(info, limit)
                member.client.room_refuses_stream(member, stream, info)

    def _tell(self, told: Told[RoomMember]) -> None:
        counters = self._services.counters
        counters.events += len(told.to)
        counters.joined += told.event.name is RoomEventName.JOINED
        counters.messages += told.event.name is RoomEventName.MESSAGE
        self._fan_out.add(told.event, told.to)

    def _note_refusal(self, info: str | None, limit: str | None) -> None:
        if info is not None:
            self._services.counters.refused += 1
        if limit is not None:
            self._services.refusals.warning("refused by a room", room=self.name, info=info, limit=limit)


def _describe(seat: RoomSeat[RoomMember]) -> RoomMemberDescription:
    return RoomMemberDescription(
        login=seat.login, session_id=seat.session_id, since=seat.since, streams=tuple(seat.streams.values())
    )
