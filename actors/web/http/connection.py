"""The life of one HTTP connection: TLS, requests one after the other, and a clean close.

    ClientStream (bytes, send deadlines) -> Http1 (parsing, framing) -> Exchange (ASGI) -> application

All of it is one task. It ends when the client or the server closes, a deadline is missed, a request cannot be parsed,
or the connection's place goes to another.
"""

import json
from http import HTTPStatus

import trio

from actors.net.client_lookup import NOT_FROM_PROXY, NotFromProxy
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.web.http.admission import Place
from actors.web.http.asgi_exchange import Exchange, RequestSource, WebService
from actors.web.http.client_stream import ClientGone, ClientStream
from protocol.metrics.web_counts import NOT_UNDERSTOOD
from protocol.rest.errors import RestError, rest_error_body
from protocol.rest.http1 import Http1, RequestHead

log = get_logger("web")

IDLE_TIMEOUT = 60.0
"""Seconds that a connection may stay open between two requests."""


class HttpConnection:
    """Serves the requests of one client; `run` returns when the connection is over, and the source closes it."""

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

    async def run(self, proxy_setting: str | None = None) -> None:
        """Serve until the connection is over. `proxy_setting`: the one that requires the PROXY protocol, if any."""
        try:
            with self._life:
                if proxy_setting is not None and not await self._identify(proxy_setting):
                    return
                await self._client.secure()
                await self._serve()
        except ClientGone:
            log.debug("web client gone")
        except NotFromProxy as error:
            self._refusals.warning(
                NOT_FROM_PROXY, setting=error.setting, reason=error.reason, client=self._client.peer.address
            )

    def close_if_idle(self) -> None:
        """Close now unless a request is in progress."""
        self._patience.cancel()

    async def _identify(self, proxy_setting: str) -> bool:
        """Learn who the client is; false if it has too many connections."""
        await self._client.identify(self._service.proxies, proxy_setting)
        return self._place.serve(self._own_address)

    @property
    def _own_address(self) -> str | None:
        """The client that the connection counts for between two requests; None for a proxy."""
        address = self._client.peer.address
        return None if self._service.proxies.trusts(address) else address

    async def _serve(self) -> None:
        timeout = self._service.head_timeout
        try:
            while request := await self._next_request(timeout):
                await self._answer(request)
                if not self._engine.next_exchange():
                    await self._client.linger()
                    return
                timeout = IDLE_TIMEOUT
        except RestError as error:
            await self._refuse(error)

    async def _answer(self, request: RequestHead) -> None:
        """Let the application serve a request. Raises RestError if its client has too many connections."""
        source = RequestSource.of(request, self._client, self._service.clients)
        if source.client.is_forwarded and not self._place.serve(source.client.address):
            setting = "http.max_connections_per_address"
            raise RestError(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests at a time", setting=setting)
        await Exchange(request, source, self._engine, self._client, self._place, self._service).run()
        self._place.serve(self._own_address)

    async def _next_request(self, timeout: float) -> RequestHead | None:
        """The next request; None when the client closes or is too slow, or the server closes."""
        self._place.waits()
        with trio.CancelScope(deadline=trio.current_time() + timeout) as self._patience:
            if self._service.closing.is_set():
                return None
            has_begun = False
            while (request := self._engine.request()) is None:
                if not has_begun and not self._engine.is_untouched:  # also with what came behind the one before
                    has_begun = True
                    head_deadline = trio.current_time() + self._service.head_timeout
                    self._patience.deadline = min(self._patience.deadline, head_deadline)
                data = await self._client.read()
                if not data:
                    return None
                self._engine.feed(data)
            return request
        return None

    async def _refuse(self, error: RestError) -> None:
        """Respond to something that is not a valid request; this is the last response."""
        client = self._client.peer.address
        self._refusals.warning("request not understood", reason=error.message, status=error.status_hint, client=client)
        self._service.failures.refused.note(NOT_UNDERSTOOD)
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
