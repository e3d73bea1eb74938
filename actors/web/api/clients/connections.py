"""`/rest-api/connection/...`"""

import trio
from starlette.requests import Request
from starlette.responses import Response

from actors.node.ports.control import NodeControl
from actors.runtime.actor import StopReason
from actors.runtime.logs import get_logger
from actors.runtime.slices import used_up
from actors.web.api.coverage import NODES_SILENT, coverage_headers, ended_answer, nothing_found, scoped
from actors.web.api.kicks import ONCE, Kicks
from actors.web.api.routes import ApiRoute, acting_route
from actors.web.api.searches import find_routes, search_fields
from actors.web.callers import narrowed, note
from actors.web.refusals import caller_fields
from actors.web.responses import (
    COUNT_HEADER,
    TOTAL_HEADER,
    ListAnswer,
    empty_answer,
)
from config.settings import Settings
from protocol.node.filters import ConnectionFilter, given_conditions
from protocol.rest.operations import Answer
from protocol.rest.query import read_query
from protocol.rest.resources import connections as rest
from protocol.rest.schemas import CONNECTION, array_of
from protocol.stream.info_texts import StreamInfo

log = get_logger("web")

BY_REST = StopReason(cause="rest-connection-terminate", info=StreamInfo.STOPPED_BY_REST_TERMINATE)
"""Why a session ends that a terminate request matched; its streams end with it, by session disconnect."""


class ConnectionResource:
    """The methods of the connection group."""

    def __init__(self, streams: NodeControl, settings: Settings, kicks: Kicks) -> None:
        self._streams = streams
        self._kicks = kicks
        self._settings = settings

    def routes(self) -> tuple[ApiRoute, ...]:
        found = Answer(
            description="the sessions that match, oldest first",
            schema=array_of(CONNECTION),
            headers=(TOTAL_HEADER,),
        )
        errors = {404: "no connection matches", 503: NODES_SILENT}
        return (
            acting_route(
                "/rest-api/connection/terminate",
                self._kicks.once(self.terminate),
                "disconnect sessions, which ends their streams",
                rest.TERMINATE,
                errors,
                Answer(description="they are disconnected", headers=(COUNT_HEADER,)),
                query=rest.TERMINATE_QUERY,
                description=ONCE,
            ),
            acting_route(
                "/rest-api/connection/set_log_level",
                self.set_log_level,
                "choose which lines about a session are logged, until it ends",
                rest.SET_LOG_LEVEL,
                errors,
                Answer(description="from now on"),
                description="The level replaces `log.level` for the lines that concern the session.",
            ),
            *find_routes("connection", self.find, rest.FIND, found),
        )

    async def terminate(self, request: Request) -> Response:
        """Disconnect the sessions that match, which ends their streams."""
        kick = rest.parse_kick(read_query(request.scope["query_string"]))
        query = narrowed(request.scope, rest.parse_terminate(await request.body()))
        deadline = trio.current_time() + self._settings.rest_terminate_timeout
        control = scoped(self._streams, request, rest.TERMINATE_QUERY)
        answer = await control.terminate_connections(query, BY_REST.with_kick(kick), deadline=deadline)
        _log_terminate(request, query, answer.count)
        banned = await self._kicks.settled(kick, request)
        return ended_answer(request, "connection", answer, banned, self._settings)

    async def set_log_level(self, request: Request) -> Response:
        """Log more, or less, about one session than about the others, until it ends."""
        control = scoped(self._streams, request)
        query, level = rest.parse_set_log_level(await request.body())
        answer = await control.set_log_level(narrowed(request.scope, query), level)
        note(request.scope, filter=given_conditions(query), level=level, matched=answer.count)
        if not answer.count:
            return ended_answer(request, "connection", answer, {}, self._settings)
        log.info("log level of a session set", session=query.session_id, level=level, **caller_fields(request.scope))
        return empty_answer({})

    async def find(self, request: Request) -> Response:
        """The sessions that match: all without a filter. POST takes it as its body, GET in the query string."""
        return await self._found(request, rest.parse_find(await search_fields(request, rest.FIND)))

    async def _found(self, request: Request, query: rest.ConnectionQuery) -> Response:
        control = scoped(self._streams, request)
        found = await control.find_connections(narrowed(request.scope, query.filter), query.page)
        if not found.total:
            return nothing_found(request, "connection", found)
        shown = (rest.connection_object(connection) for connection in used_up(found.items))
        return ListAnswer(shown, {TOTAL_HEADER: str(found.total), **coverage_headers(found.coverage)})


def _log_terminate(request: Request, query: ConnectionFilter, count: int) -> None:
    note(request.scope, filter=given_conditions(query), matched=count)
    log.info("connections terminated by rest", matched=count, **caller_fields(request.scope))
