"""`/rest-api/data/...` and `/rest-api/stream/event/send`: what a backend sends to pages."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from actors.node.ports.data import MessagePorts, NotLive, TooManyAtOnce
from actors.runtime.logs import get_logger
from actors.web.api.coverage import coverage_headers, unacknowledged
from actors.web.api.routes import ApiRoute, Endpoint, acting_route
from actors.web.callers import narrowed, note
from actors.web.responses import (
    DROPPED_HEADER,
    MISSING_HEADER,
    SENT_HEADER,
    JsonAnswer,
    empty_answer,
    error_answer,
)
from config.settings import Settings
from protocol.node.client_data import DeliveryReport
from protocol.node.filters import ConnectionFilter, StreamFilter
from protocol.rest.errors import RestError, not_found
from protocol.rest.fields import NO_QUERY, FieldTable
from protocol.rest.operations import Answer
from protocol.rest.query import read_query
from protocol.rest.resources import data as rest
from protocol.rest.schemas import TEXT, array_of

log = get_logger("web")

TOO_MUCH = "too much is on its way to clients: try again later; in a cluster also: nodes have not acknowledged it"


class DataResource:
    """The methods that send something to pages. `once` makes an endpoint heed `Idempotency-Key`."""

    def __init__(self, ports: MessagePorts, settings: Settings, *, once: Callable[[Endpoint], Endpoint]) -> None:
        self._ports = ports
        self._once = once
        self._settings = settings

    def routes(self) -> tuple[ApiRoute, ...]:
        sent = Answer(
            description="sent to those that exist, with an empty body; with `verbose`, the ids of those that do not",
            schema=array_of(TEXT),
            headers=(MISSING_HEADER, DROPPED_HEADER),
        )
        counted = Answer(description="sent, with an empty body", headers=(SENT_HEADER, DROPPED_HEADER))
        send = _route(
            "data/send",
            self._once(self.send),
            "send data to sessions",
            (rest.SEND, rest.SEND_QUERY),
            sent,
            nobody="none of the sessions exists",
        )
        broadcast = _route(
            "data/broadcast",
            self._once(self.broadcast),
            "send data to every session that matches",
            (rest.BROADCAST, NO_QUERY),
            counted,
            nobody="no session matches",
        )
        event = _route(
            "stream/event/send",
            self._once(self.send_event),
            "send an event with data to the players of a stream",
            (rest.EVENT, NO_QUERY),
            counted,
            nobody="nobody publishes this stream",
        )
        return (send, broadcast, event)

    async def send(self, request: Request) -> Response:
        """Send data to the sessions named: 404 if none of them exists."""
        verbose = rest.parse_verbose(read_query(request.scope["query_string"]))
        asked = rest.parse_send(await request.body(), max_size=self._settings.data_max_size)
        within = narrowed(request.scope, ConnectionFilter())
        sending = self._ports.data.send(asked.data, asked.session_ids, within, node_id=asked.node_id)
        delivery = await _accepted(request, sending)
        headers = _dropped(delivery)
        if delivery.missing:
            headers[MISSING_HEADER] = str(len(delivery.missing))
        if (unsure := unacknowledged(request, delivery, headers)) is not None:
            return unsure
        headers |= coverage_headers(delivery.coverage)
        if len(delivery.missing) == len(asked.session_ids):
            return error_answer(not_found("no session matches"), request.url.path, headers)
        return JsonAnswer(delivery.missing, headers=headers) if verbose else empty_answer(headers)

    async def broadcast(self, request: Request) -> Response:
        """Send data to every session that matches: 404 if none does."""
        asked = rest.parse_broadcast(await request.body(), max_size=self._settings.max_stream_event_size)
        query = narrowed(request.scope, asked.filter)
        delivery = await _accepted(request, self._ports.data.broadcast(asked.data, query, asked.stream_name))
        headers = {SENT_HEADER: str(delivery.sent), **_dropped(delivery)}
        if (unsure := unacknowledged(request, delivery, headers)) is not None:
            return unsure
        headers |= coverage_headers(delivery.coverage)
        if not delivery.receivers:
            return error_answer(not_found("no session matches"), request.url.path, headers)
        return empty_answer(headers)

    async def send_event(self, request: Request) -> Response:
        """Send a stream event of type `data`: 404 if nobody publishes that stream."""
        asked = rest.parse_event(await request.body(), max_size=self._settings.max_stream_event_size)
        try:
            query = narrowed(request.scope, StreamFilter(name=asked.stream_name))
            delivery = await _accepted(request, self._ports.stream_events.send(query, asked.payload))
        except NotLive:
            return error_answer(not_found("nobody publishes this stream"), request.url.path, {SENT_HEADER: "0"})
        headers = {SENT_HEADER: str(delivery.sent), **_dropped(delivery)}
        headers |= coverage_headers(delivery.coverage)
        return unacknowledged(request, delivery, headers) or empty_answer(headers)


def _route(
    method: str, endpoint: Endpoint, summary: str, tables: tuple[FieldTable, FieldTable], answer: Answer, *, nobody: str
) -> ApiRoute:
    """A POST of this resource. `tables`: of its body and of its query string; `nobody`: what a 404 means."""
    fields, query = tables
    errors = {404: nobody, 413: "the payload is too large; `setting` names the limit", 503: TOO_MUCH}
    once = "With the header `Idempotency-Key` it is sent once, however often it is asked for in ten minutes."
    path = f"/rest-api/{method}"
    return acting_route(path, endpoint, summary, fields, errors, answer, query=query, description=once)


async def _accepted(request: Request, delivering: Awaitable[DeliveryReport]) -> DeliveryReport:
    try:
        delivery = await delivering
        note(request.scope, matched=delivery.receivers)
        return delivery
    except TooManyAtOnce:
        log.warning("data refused: too much is on its way to clients")
        raise RestError(HTTPStatus.SERVICE_UNAVAILABLE, TOO_MUCH) from None


def _dropped(delivery: DeliveryReport) -> dict[str, str]:
    """The header that says for how many there was no room; it is absent if there was for all."""
    if not delivery.dropped:
        return {}
    log.warning("data not sent to some clients", limit="max_outbox_total", dropped=delivery.dropped)
    return {DROPPED_HEADER: str(delivery.dropped)}
