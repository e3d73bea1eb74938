"""`/rest-api/events`: what happens, as it happens, as server-sent events."""

import math
from http import HTTPStatus
from typing import Final

import trio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from actors.events.event_log import EventLog, Resumption
from actors.web.api.routes import ApiRoute
from actors.web.callers import identity_of
from config.settings import Settings
from protocol.access.roles import Role
from protocol.common.json_text import to_json
from protocol.node.server_events import EventFilter, EventType, encode_alive, encode_event, encode_retry
from protocol.rest import schemas
from protocol.rest.errors import RestError
from protocol.rest.operations import Answer
from protocol.rest.query import read_query
from protocol.rest.resources import events as rest

RETRY: Final = 3000
"""Milliseconds after which a reader that has lost its connection comes back."""
ALIVE_INTERVAL: Final = 15.0
"""Seconds of silence after which a reader gets a comment."""
REST: Final = 0.25
"""Seconds after a write to one reader, or after a look that has found nothing for it: what happens then goes together.

To gather before a write instead would cost more, and under load nothing would ever be gathered.
"""
AT_ONCE: Final = 500
"""Events in one write."""


class EventResource:
    """The readers of the server's events."""

    def __init__(self, events: EventLog, settings: Settings) -> None:
        self._events = events
        self._settings = settings

    def routes(self) -> tuple[ApiRoute, ...]:
        return (
            ApiRoute(
                path="/rest-api/events",
                endpoint=self.read,
                role=Role.VIEW,
                summary="watch what happens",
                description="Server-sent events: the answer goes on until the reader leaves or the server stops. "
                "`Last-Event-ID` continues after that event.",
                fields=rest.WATCH,
                is_endless=True,
                answers=(Answer(description="the events", schema=schemas.TEXT, media_type="text/event-stream"),),
                errors={503: "there are `events.max_readers` already"},
            ),
        )

    async def read(self, request: Request) -> Response:
        """Begin to read."""
        given = rest.WATCH.from_query(read_query(request.scope["query_string"]))
        wanted = rest.parse_watch(given, apps=identity_of(request.scope).apps)
        if self._events.readers >= self._settings.events_max_readers:
            setting = "events.max_readers"
            raise RestError(HTTPStatus.SERVICE_UNAVAILABLE, "too many read the events already", setting=setting)
        return EventStream(self._events, wanted, request.headers.get("last-event-id"))


class EventStream(Response):
    """The events from now on, or after the last one that the reader has had."""

    def __init__(self, events: EventLog, wanted: EventFilter, last_event_id: str | None) -> None:
        super().__init__(media_type="text/event-stream")
        del self.headers["content-length"]
        self._events = events
        self._wanted = wanted
        self._last_event_id = last_event_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        self._events.readers += 1
        self._events.want()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_until_over, receive, nursery.cancel_scope)
                await self._pass_on(send)
        finally:
            self._events.readers -= 1
            self._events.want()  # for a while: it may come back
        # The server stops. If the reader has left instead, this fails like any other write.
        bye = encode_event(self._events.id_of(self._events.next_number - 1), "bye", "{}")
        await send({"type": "http.response.body", "body": bye, "more_body": False})

    async def _pass_on(self, send: Send) -> None:
        events, place = self._events, self._events.place_after(self._last_event_id)
        number, text = place.next_number, encode_retry(RETRY) + self._scope(place) + self._gap(place)
        alive_at = -math.inf
        while True:
            if text:
                await send({"type": "http.response.body", "body": text, "more_body": True})
                alive_at = trio.current_time() + ALIVE_INTERVAL
            await trio.sleep(REST)
            with trio.move_on_at(alive_at):
                await events.wait(number)
            place = events.checked(number)
            batch = events.since(place.next_number, AT_ONCE)
            text = self._gap(place) + b"".join(event.data for event in batch if self._wanted.matches(event))
            number = place.next_number + len(batch)
            if not text and trio.current_time() >= alive_at:
                text = encode_alive(events.id_of(number - 1))

    def _scope(self, place: Resumption) -> bytes:
        """In a cluster, whose events these are."""
        scope = self._events.scope
        if scope is None:
            return b""
        told = {**scope(), "scope": "local"} if self._wanted.is_local else scope()
        return encode_event(self._events.id_of(place.next_number - 1), EventType.CLUSTER_SCOPE, to_json(told))

    def _gap(self, place: Resumption) -> bytes:
        """What a reader is told that has missed something."""
        if not place.is_behind:
            return b""
        reason = "restart" if place.lost is None else "history"
        lost: dict[str, object] = {} if place.lost is None else {"lost": place.lost}
        return encode_event(self._events.id_of(place.next_number - 1), "gap", to_json(lost | {"reason": reason}))


async def _until_over(receive: Receive, over: trio.CancelScope) -> None:
    """Until the reader leaves or the server stops."""
    while (await receive())["type"] != "http.disconnect":
        pass
    over.cancel()
