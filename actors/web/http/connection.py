"""The life of one HTTP connection: TLS, requests one after the other, and a clean close.

    ClientStream (bytes, send deadlines) -> Http1 (parsing, framing) -> Exchange (ASGI) -> application

All of it is one task. It ends when the client or the server closes, a deadline is missed, a request cannot be parsed,
or the connection's place goes to another.
"""

import json

import trio

from actors.runtime.logs import RateLimitedLog, get_logger
from actors.web.http.admission import Place
from actors.web.http.asgi_exchange import Exchange, WebService
from actors.web.http.client_stream import ClientGone, ClientStream
from protocol.rest.errors import RestError, rest_error_body
from protocol.rest.http1 import Http1, RequestHead

log = get_logger("web")

IDLE_TIMEOUT = 60.0
"""Seconds that a connection may stay open between two requests."""


class HttpConnection:
    """Serves the requests of one client; `run` returns when the connection is over, and the caller closes it."""

    def __init__(
        self, client: ClientStream, place: Place, life: trio.CancelScope, service: WebService, refusals: RateLimitedLog
    ) -> None:
        self._client = client
        self._place = place
        self._life = life
        self._service = service
        self._refusals = refusals
        self._engine = Http1(client.scheme)
        self._patience = trio.CancelScope()

    async def run(self) -> None:
        """Serve until the connection is over."""
        try:
            with self._life:
                await self._client.secure()
                await self._serve()
        except ClientGone:
            log.debug("web client gone")

    def close_if_idle(self) -> None:
        """Close now unless a request is in progress."""
        self._patience.cancel()

    async def _serve(self) -> None:
        timeout = self._service.head_timeout
        try:
            while request := await self._next_request(timeout):
                await Exchange(request, self._engine, self._client, self._place, self._service).run()
                if not self._engine.next_exchange():
                    await self._client.linger()
                    return
                timeout = IDLE_TIMEOUT
        except RestError as error:
            await self._refuse(error)

    async def _next_request(self, timeout: float) -> RequestHead | None:
        """The next request; None when the client closes or is too slow, or the server closes."""
        self._place.waits()
        with trio.CancelScope(deadline=trio.current_time() + timeout) as self._patience:
            if self._service.closing.is_set():
                return None
            while (request := self._engine.request()) is None:
                is_first = self._engine.is_untouched
                data = await self._client.read()
                if not data:
                    return None
                if is_first:
                    head_deadline = trio.current_time() + self._service.head_timeout
                    self._patience.deadline = min(self._patience.deadline, head_deadline)
                self._engine.feed(data)
            return request
        return None

    async def _refuse(self, error: RestError) -> None:
        """Respond to something that is not a valid request; this is the last response."""
        client = self._client.addresses()[0][0]
        self._refusals.warning("request not understood", reason=error.message, status=error.status_hint, client=client)
        await trio.sleep(self._service.failures.pause(client))
        body = json.dumps(rest_error_body(error, "")).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"x-content-type-options", b"nosniff"),
            (b"cache-control", b"no-store"),
            (b"cross-origin-resource-policy", b"same-origin"),
        ]
        head = self._engine.start(error.status_hint, headers, close=True)
        await self._client.write(head + self._engine.piece(body) + self._engine.end())
        await self._client.linger()
