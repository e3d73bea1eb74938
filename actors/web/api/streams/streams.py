"""`/rest-api/stream/...`"""

import trio
from attrs import evolve
from starlette.requests import Request
from starlette.responses import Response

from actors.events.event_log import EventLog
from actors.events.terminations import report_terminated
from actors.node.ports.control import NodeControl
from actors.runtime.actor import StopReason
from actors.runtime.logs import get_logger
from actors.runtime.slices import used_up
from actors.web.api.coverage import (
    NODES_SILENT,
    coverage_headers,
    ended_answer,
    nothing_found,
    scoped,
)
from actors.web.api.kicks import ONCE, Kicks
from actors.web.api.routes import ApiRoute, acting_route
from actors.web.api.searches import find_routes, search_fields
from actors.web.callers import identity_of, narrowed, note
from actors.web.refusals import caller_fields, client_address
from actors.web.responses import (
    COUNT_HEADER,
    TOTAL_HEADER,
    ListAnswer,
)
from config.settings import Settings, TerminateAll
from protocol.node.filters import StreamFilter, given_conditions
from protocol.rest.operations import Answer
from protocol.rest.query import read_query
from protocol.rest.resources import streams as rest
from protocol.rest.schemas import STREAM, array_of
from protocol.rest.scope import FIND_STREAMS_QUERY, RELAYS
from protocol.stream.info_texts import StreamInfo

log = get_logger("web")

BY_REST = StopReason(cause="rest-terminate", info=StreamInfo.STOPPED_BY_REST_TERMINATE)
"""Why a stream ends that a terminate request matched."""


class StreamResource:
    """The methods of the stream group."""

    def __init__(self, streams: NodeControl, settings: Settings, kicks: Kicks, events: EventLog) -> None:
        self._streams = streams
        self._kicks = kicks
        self._settings = settings
        self._events = events

    @property
    def _allow_all(self) -> bool:
        return self._settings.rest_terminate_all is TerminateAll.ALLOW

    def routes(self) -> tuple[ApiRoute, ...]:
        found = Answer(
            description="the streams that match, oldest first",
            schema=array_of(STREAM),
            headers=(TOTAL_HEADER,),
        )
        stopped = Answer(
            description="stopped, with an empty body; in a dry run, what would be stopped",
            schema=array_of(STREAM),
            headers=(COUNT_HEADER,),
        )
        return (
            acting_route(
                "/rest-api/stream/terminate",
                self._kicks.once(self.terminate),
                "stop streams",
                rest.TERMINATE,
                {404: "no stream matches", 503: NODES_SILENT},
                stopped,
                query=rest.TERMINATE_QUERY,
                description=ONCE,
            ),
            *find_routes("stream", self.find, rest.FIND, found, query=FIND_STREAMS_QUERY),
        )

    async def terminate(self, request: Request) -> Response:
        """Stop what the filter matches; with `?dry_run=true` only show it.

        Everything is checked before anything is stopped. The response waits a bounded time for the streams to end: they
        have left the fan-out by then in any case, so a late one is not a failure of the request.
        """
        parameters = read_query(request.scope["query_string"])
        dry_run, kick = rest.parse_dry_run(parameters), rest.parse_kick(parameters)
        query = narrowed(
            request.scope,
            rest.parse_terminate(await request.body(), allow_all=self._allow_all),
        )
        deadline = trio.current_time() + self._settings.rest_terminate_timeout
        control = scoped(self._streams, request, rest.TERMINATE_QUERY)
        answer = await control.terminate(query, BY_REST.with_kick(kick), dry_run=dry_run, deadline=deadline)
        _log_terminate(request, query, answer, dry_run=dry_run)
        if answer.count and not dry_run:
            who, address = str(identity_of(request.scope)), client_address(request.scope)
            report_terminated(self._events, query, answer.count, by=who, source="rest", address=address)
        banned = {} if dry_run else await self._kicks.settled(kick, request)
        if dry_run and answer.count:
            headers = {COUNT_HEADER: str(answer.count), **coverage_headers(answer.coverage)}
            return ListAnswer(map(rest.previewed, used_up(answer.matched)), headers)
        return ended_answer(request, "stream", answer, banned, self._settings)

    async def find(self, request: Request) -> Response:
        """The streams that match: all without a filter. POST takes it as its body, GET in the query string."""
        return await self._found(request, rest.parse_find(await search_fields(request, rest.FIND, FIND_STREAMS_QUERY)))

    async def _found(self, request: Request, query: rest.StreamQuery) -> Response:
        control = scoped(self._streams, request, FIND_STREAMS_QUERY)
        wanted = evolve(narrowed(request.scope, query.filter), relays=_with_relays(request))
        found = await control.find(wanted, query.page, traffic=query.metrics)
        if not found.total:
            return nothing_found(request, "stream", found)
        shown = (rest.shown_stream(stream, metrics=query.metrics) for stream in used_up(found.items))
        return ListAnswer(shown, {TOTAL_HEADER: str(found.total), **coverage_headers(found.coverage)})


def _with_relays(request: Request) -> bool | None:
    """Whether `?relays=true` is there, which has been checked."""
    value = read_query(request.scope["query_string"]).get(RELAYS.name)
    return None if value is None else RELAYS.read(value) or None


def _log_terminate(request: Request, query: StreamFilter, answer: rest.TerminateAnswer, *, dry_run: bool) -> None:
    note(request.scope, filter=given_conditions(query), matched=answer.count, dry_run=dry_run)
    facts = {"matched": answer.count, **caller_fields(request.scope)}
    if dry_run:
        log.info("terminate tried by rest", **facts, **given_conditions(query))
    elif query.is_everything:
        log.warning("ALL streams terminated by rest: the filter was empty", **facts)
    else:
        log.info("streams terminated by rest", **facts, **given_conditions(query))
    if not answer.all_stopped and not dry_run:
        log.warning("terminated streams have not ended in time", setting="rest.terminate_timeout", **facts)
