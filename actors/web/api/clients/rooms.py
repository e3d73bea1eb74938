"""`/rest-api/room/...`"""

from collections.abc import Awaitable
from http import HTTPStatus
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from actors.node.ports.room import NoSuchMember, NoSuchRoom, RoomBusy, RoomControl
from actors.runtime.logs import get_logger
from actors.web.api.coverage import (
    NODES_SILENT,
    coverage_headers,
    is_local,
    nothing_found,
    unacknowledged,
)
from actors.web.api.kicks import Kicks
from actors.web.api.routes import ApiRoute, Endpoint, acting_route
from actors.web.api.searches import find_routes, search_fields
from actors.web.callers import narrowed, note
from actors.web.refusals import caller_fields
from actors.web.responses import (
    BANNED_HEADER,
    COUNT_HEADER,
    DROPPED_HEADER,
    SENT_HEADER,
    TOTAL_HEADER,
    ListAnswer,
    empty_answer,
)
from config.settings import Settings
from protocol.node.filters import RoomFilter
from protocol.rest.errors import RestError, bad_request, not_found
from protocol.rest.fields import FieldTable
from protocol.rest.operations import Answer
from protocol.rest.query import read_query
from protocol.rest.resources import rooms as rest
from protocol.rest.schemas import array_of
from protocol.rest.scope import SCOPE_QUERY

log = get_logger("web")

T = TypeVar("T")

TOO_MUCH = f"too much waits in the room; {NODES_SILENT}"
NO_MEMBER = "the room has no member of this login"


class RoomResource:
    """The methods of the room group."""

    def __init__(self, rooms: RoomControl, settings: Settings, kicks: Kicks) -> None:
        self._rooms = rooms
        self._kicks = kicks
        self._settings = settings

    def routes(self) -> tuple[ApiRoute, ...]:
        found = Answer(description="the rooms that match", schema=array_of(rest.ROOM), headers=(TOTAL_HEADER,))
        sent = Answer(description="sent, with an empty body", headers=(SENT_HEADER, DROPPED_HEADER))
        ended = Answer(description="they are ended; the count is of members", headers=(COUNT_HEADER,))
        kicked = Answer(description="done, with an empty body", headers=(BANNED_HEADER,))
        once = self._kicks.once
        return (
            *find_routes("room", self.find, rest.FIND, found),
            _route("send", once(self.send), "send a message or data to a room", rest.SEND, sent),
            _route("kick", once(self.kick), "remove a member from a room", rest.KICK, kicked, query=rest.KICK_QUERY),
            _route("terminate", once(self.terminate), "end a room", rest.TERMINATE, ended),
        )

    async def find(self, request: Request) -> Response:
        """The rooms that match: all without a filter. POST takes it as its body, GET in the query string."""
        rooms = self._asked(request)
        query, page = rest.parse_find(await search_fields(request, rest.FIND))
        found = await rooms.find(narrowed(request.scope, query), page)
        if not found.total:
            return nothing_found(request, "room", found)
        shown = map(rest.room_object, found.items)
        headers = {TOTAL_HEADER: str(found.total), **coverage_headers(found.coverage)}
        return ListAnswer(shown, headers, batch=1)  # each has all its members

    async def send(self, request: Request) -> Response:
        """A MESSAGE in a member's name, or data, to everybody in the room."""
        rooms = self._asked(request)
        asked = rest.parse_send(await request.body(), max_size=self._settings.max_stream_event_size)
        try:
            sending = rooms.post(narrowed(request.scope, asked.filter), asked.content, sender=asked.sender)
            report = await _carried_out(sending)
        except NoSuchMember:
            raise bad_request(f"`from`: {NO_MEMBER}", key="from") from None
        note(request.scope, matched=report.receivers)
        headers = {SENT_HEADER: str(report.sent)}
        headers |= {DROPPED_HEADER: str(report.dropped)} if report.dropped else {}
        headers |= coverage_headers(report.coverage)
        return unacknowledged(request, report, headers) or empty_answer(headers)

    async def kick(self, request: Request) -> Response:
        """Remove a member: its streams in the room are stopped, and it may not join again for a while."""
        rooms = self._asked(request, rest.KICK_QUERY)
        asked = rest.parse_kick(await request.body(), read_query(request.scope["query_string"]))
        try:
            query = narrowed(request.scope, asked.filter)
            await _carried_out(rooms.kick(query, asked.login, seconds=asked.seconds, kick=asked.kick))
        except NoSuchMember:
            raise not_found(NO_MEMBER) from None
        facts = {"room": asked.filter.name, "login": asked.login, "seconds": asked.seconds}
        log.info("member kicked by rest", **facts, **caller_fields(request.scope))
        return empty_answer(await self._kicks.settled(asked.kick, request))

    async def terminate(self, request: Request) -> Response:
        """End a room: everybody is removed from it, and their streams in it are stopped."""
        rooms = self._asked(request)
        query: RoomFilter = rest.parse_terminate(await request.body())
        count = await _carried_out(rooms.terminate(narrowed(request.scope, query)))
        note(request.scope, matched=count)
        log.info("room terminated by rest", room=query.name, members=count, **caller_fields(request.scope))
        return empty_answer({COUNT_HEADER: str(count)})

    def _asked(self, request: Request, table: FieldTable = SCOPE_QUERY) -> RoomControl:
        """Those that the request is for: with `?scope=local` the rooms of this node only."""
        return self._rooms.here if is_local(request, table) else self._rooms


def _route(
    method: str,
    endpoint: Endpoint,
    summary: str,
    fields: FieldTable,
    answer: Answer,
    query: FieldTable = SCOPE_QUERY,
) -> ApiRoute:
    too_large = {413: "the content is too large; `setting` names the limit"} if method == "send" else {}
    errors = {404: "no room matches, or it has no such member", 503: TOO_MUCH, **too_large}
    once = "With the header `Idempotency-Key` it is done once, however often it is asked for in ten minutes."
    path = f"/rest-api/room/{method}"
    return acting_route(path, endpoint, summary, fields, errors, answer, query=query, description=once)


async def _carried_out(action: Awaitable[T]) -> T:
    try:
        return await action
    except NoSuchRoom:
        raise not_found("no room matches") from None
    except RoomBusy:
        raise RestError(HTTPStatus.SERVICE_UNAVAILABLE, "too much waits in the room: try again later") from None
