"""What the commands about streams, sessions, rooms and bans do: the same as the REST API, over the same ports."""

import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import trio
from attrs import evolve, field, frozen

from actors.events.event_log import EventLog
from actors.events.terminations import report_terminated
from actors.node.bans import Bans
from actors.node.ports.call_control import CallControlPort
from actors.node.ports.control import NodeControl
from actors.node.ports.room import RoomControl
from actors.runtime.actor import StopReason
from actors.runtime.logs import get_logger
from actors.runtime.slices import slices
from config.settings import Settings, TerminateAll
from protocol.access.bans import Ban
from protocol.access.kicks import Kick
from protocol.calls.description import CallDescription
from protocol.calls.info_texts import CallInfo
from protocol.common.durations import shown_age, shown_duration
from protocol.common.masking import masked
from protocol.node.coverage import Coverage
from protocol.node.descriptions import ConnectionDescription, StreamDescription
from protocol.node.filters import given_conditions
from protocol.operator.live_commands import (
    Listing,
    LiveCommand,
    RemoveBans,
    ShowBans,
    ShowCalls,
    ShowRegistrations,
    ShowRooms,
    ShowSessions,
    ShowStreams,
    TerminateStreams,
)
from protocol.operator.messages import ROWS_AT_ONCE, Answer, Done, ErrorKind, NotDone, Row
from protocol.rest.paging import ALL, NOTHING, Found, Page
from protocol.rest.resources.bans import BanFilter, ban_object
from protocol.rest.resources.calls import shown_call
from protocol.rest.resources.connections import connection_object
from protocol.rest.resources.rooms import room_object
from protocol.rest.resources.streams import TerminateAnswer, preview, shown_stream
from protocol.rooms.descriptions import RoomDescription
from protocol.sip.accounts.account_states import RegistrationDescription
from protocol.stream.info_texts import StreamInfo

log = get_logger("operator")

T = TypeVar("T")

BY_OPERATOR = StopReason(cause="wcs-terminate", info=StreamInfo.STOPPED_BY_REST_TERMINATE)
"""Why a stream ends that `wcs terminate` matched. Pages and backends are told what they know from REST."""

STREAM_COLUMNS = ("name", "mediaType", "status", "viewers", "kbps", "age", "mediaSessionId")
SESSION_COLUMNS = ("appKey", "status", "streams", "age", "sessionId")
PREVIEW_COLUMNS = ("name", "mediaType", "status", "cascade", "mediaSessionId")
CALL_COLUMNS = ("caller", "callee", "incoming", "status", "appKey", "age", "callId")
REGISTRATION_COLUMNS = ("account", "server", "state", "status", "why")
ROOM_COLUMNS = ("name", "appKey", "memberCount", "streamCount", "age")
BAN_COLUMNS = ("action", "appKey", "name", "who", "left", "reason", "id")

NO_STREAM = "no stream matches"


@frozen(kw_only=True)
class LiveCommands:
    """Carries them out. `wall_clock`: seconds since the epoch."""

    node: NodeControl
    rooms: RoomControl
    calls: CallControlPort | None = None
    """None: SIP is off."""
    bans: Bans
    settings: Settings
    events: EventLog = field(factory=EventLog)
    wall_clock: Callable[[], float] = field(default=time.time)

    async def execute(self, command: LiveCommand, who: str) -> Answer:
        """What came of the command. `who` gave it."""
        match command:
            case ShowStreams():
                return await self._show_streams(command)
            case ShowSessions():
                return await self._show_sessions(command)
            case ShowRooms():
                return await self._show_rooms(command)
            case ShowCalls():
                return await self._show_calls(command)
            case ShowRegistrations():
                return await self._show_registrations(command)
            case ShowBans():
                return await self._show_bans(command)
            case RemoveBans(filter=query):
                return await self._remove_bans(query)
            case TerminateStreams():
                return await self._terminate(command, who)

    # -- lists -------------------------------------------------------------------------------------

    async def _show_streams(self, command: ShowStreams) -> Done:
        async def find(page: Page) -> Found[StreamDescription]:
            return await self.node.find(command.filter, page, traffic=True)

        return await _list(command, find, self._stream_row, noun="stream", columns=STREAM_COLUMNS)

    async def _show_sessions(self, command: ShowSessions) -> Done:
        async def find(page: Page) -> Found[ConnectionDescription]:
            return await self.node.find_connections(command.filter, page)

        return await _list(command, find, self._session_row, noun="session", columns=SESSION_COLUMNS)

    async def _show_rooms(self, command: ShowRooms) -> Done:
        async def find(page: Page) -> Found[RoomDescription]:
            return await self.rooms.find(command.filter, page)

        return await _list(command, find, self._room_row, noun="room", columns=ROOM_COLUMNS)

    async def _show_calls(self, command: ShowCalls) -> Answer:
        calls = self.calls
        if calls is None:
            return _refused(CallInfo.NOT_SERVED, {})

        async def find(page: Page) -> Found[CallDescription]:
            return await calls.find(command.filter, page)

        return await _list(command, find, self._call_row, noun="call", columns=CALL_COLUMNS)

    async def _show_registrations(self, command: ShowRegistrations) -> Answer:
        calls = self.calls
        if calls is None:
            return _refused(CallInfo.NOT_SERVED, {})

        async def find(page: Page) -> Found[RegistrationDescription]:
            known = await calls.registrations()
            found = [each for each in known.items if command.matches(each)]
            return evolve(known, total=len(found), items=tuple(page.of(found)))

        return await _list(
            command, find, RegistrationDescription.shown, noun="registration", columns=REGISTRATION_COLUMNS
        )

    async def _show_bans(self, command: ShowBans) -> Done:
        async def find(page: Page) -> Found[Ban]:
            bans = [ban for ban in self.bans.active() if command.filter.matches(ban)]
            return Found(total=len(bans), items=tuple(page.of(bans)))

        return await _list(command, find, self._ban_row, noun="ban", columns=BAN_COLUMNS)

    def _stream_row(self, stream: StreamDescription) -> Row:
        shown = shown_stream(stream)
        del shown["sdp"]  # pages of text
        traffic = stream.traffic
        rates = (
            {"kbps": None, "lost": None} if traffic is None else {"kbps": traffic.bitrate_kbps, "lost": traffic.lost}
        )
        return {**shown, **rates, "age": self._age(stream.create_date)}

    def _session_row(self, connection: ConnectionDescription) -> Row:
        return {**connection_object(connection), "age": self._age(connection.create_date)}

    def _room_row(self, room: RoomDescription) -> Row:
        return {**room_object(room), "age": self._age(room.create_date)}

    def _call_row(self, call: CallDescription) -> Row:
        return {**shown_call(call), "age": self._age(call.create_date)}

    def _ban_row(self, ban: Ban) -> Row:
        return {**ban_object(ban), "left": shown_age(ban.until - self.wall_clock())}

    def _age(self, since: int) -> str:
        return shown_age(self.wall_clock() - since / 1000)

    async def _remove_bans(self, query: BanFilter) -> Answer:
        count = self.bans.lift([ban for ban in self.bans.active() if query.matches(ban)])
        facts = {"filter": given_conditions(query), "lifted": count}
        if not count:
            return _refused("no ban matches", facts)
        await self.bans.save()
        return Done(message=f"{counted(count, 'ban')} lifted", changed=True, facts=facts)

    # -- terminate ---------------------------------------------------------------------------------

    async def _terminate(self, command: TerminateStreams, who: str) -> Answer:
        if command.filter.is_everything and self.settings.rest_terminate_all is TerminateAll.DENY:
            return _refused("to stop every stream is forbidden by rest.terminate_all=deny", {})
        if command.dry_run or not command.is_confirmed:
            return await self._preview(command)
        answer = await self._stop(command)
        conditions = given_conditions(command.filter)
        log.info("streams terminated by an operator", matched=answer.count, by=who, **conditions)
        facts = {"filter": conditions, "matched": answer.count, "dry_run": False, **_ban_facts(command.kick)}
        if not answer.count:
            return _refused(NO_STREAM + _told_silent(answer.coverage), facts)
        report_terminated(self.events, command.filter, answer.count, by=who, source="wcs")
        return Done(message=self._told(answer, command.kick), changed=True, facts=facts)

    async def _stop(self, command: TerminateStreams) -> TerminateAnswer:
        kick = command.kick
        deadline = trio.current_time() + self.settings.rest_terminate_timeout
        reason = BY_OPERATOR.with_kick(kick)
        answer = await self.node.terminate(command.filter, reason, dry_run=False, deadline=deadline)
        if kick is not None and kick.ban is not None:
            await self.bans.save()
        return answer

    async def _preview(self, command: TerminateStreams) -> Answer:
        """What would be stopped: how many, for the question; in a dry run, which."""
        if not command.dry_run:
            found = await self.node.find(command.filter, NOTHING, traffic=False)
            if not found.total:
                return _refused(NO_STREAM + _told_silent(found.coverage), {})
            silent = _silent(found.coverage)
            question = f"stop {counted(found.total, 'stream')}{silent and f' ({silent})'}?"
            return NotDone(error=ErrorKind.UNCONFIRMED, message=question)
        answer = await self.node.terminate(command.filter, BY_OPERATOR, dry_run=True, deadline=math.inf)
        facts = {"filter": given_conditions(command.filter), "matched": answer.count, "dry_run": True}
        if not answer.count:
            return _refused(NO_STREAM + _told_silent(answer.coverage), facts)
        rows = await _made(preview(answer), _without_sdp)
        message = f"would stop {counted(answer.count, 'stream')}"
        return Done(message=message, columns=PREVIEW_COLUMNS, rows=rows, facts=facts)

    def _told(self, answer: TerminateAnswer, kick: Kick | None) -> str:
        message = f"{counted(answer.count, 'stream')} stopped"
        message += _told_silent(answer.coverage)
        if not answer.all_stopped:
            message += f"; not all have ended within {shown_duration(self.settings.rest_terminate_timeout)}"
        if kick is not None and kick.ban is not None:
            message += f"; {counted(kick.ban.placed, 'ban')} for {shown_duration(kick.ban.seconds)}"
        return message


async def _list(
    command: Listing,
    find: Callable[[Page], Awaitable[Found[T]]],
    make_row: Callable[[T], Row],
    *,
    noun: str,
    columns: Sequence[str],
) -> Done:
    found = await find(ALL if command.order else command.page)
    rows: Sequence[Row] = await _made(found.items, make_row)
    if command.order:
        rows = command.page.of(command.order.of(rows))
    shown = "" if len(rows) == found.total else f"{len(rows):,} of {counted(found.total, noun)}"
    if not found.total:
        shown = f"no {noun}s"
    message = "; ".join(filter(None, (shown, _silent(found.coverage))))
    return Done(message=message, columns=() if command.detail else columns, rows=rows)


async def _made(items: Iterable[T], make_row: Callable[[T], Row]) -> list[Row]:
    """The rows of these items, a few at a time: there may be thousands."""
    rows: list[Row] = []
    for batch in slices(items, ROWS_AT_ONCE):
        rows.extend(_shown(make_row(item)) for item in batch)
        await trio.lowlevel.checkpoint()
    return rows


def _without_sdp(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "sdp"}


def _shown(row: Row) -> Row:
    """With URIs in it masked: names may be such."""
    return {name: masked(value) if isinstance(value, str) else value for name, value in row.items()}


def _refused(message: str, facts: Mapping[str, object]) -> NotDone:
    return NotDone(error=ErrorKind.REFUSED, message=message, facts=facts)


def _silent(coverage: Coverage | None) -> str:
    """That nodes of the cluster may have more, if some do not answer; else nothing."""
    if coverage is None or coverage.is_complete:
        return ""
    if coverage.is_cut_off:
        return "this is this node alone, for Redis does not answer"
    return f"{counted(len(coverage.silent), 'node')} of {coverage.asked} did not answer"


def _told_silent(coverage: Coverage | None) -> str:
    """The same behind something else."""
    silent = _silent(coverage)
    return f"; {silent}" if silent else ""


def _ban_facts(kick: Kick | None) -> dict[str, object]:
    if kick is None or kick.ban is None:
        return {}
    return {"banned": kick.ban.placed, "seconds": kick.ban.seconds}


def counted(number: int, noun: str) -> str:
    """`1 stream`, `2,000 streams`."""
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"
