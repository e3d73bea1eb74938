"""One request and its response, between the HTTP/1.1 engine and the application: the `receive` and `send` of ASGI.

The body is read when the application asks for it, and each piece of the response is sent before the application
continues, so neither is queued. An application that has read the body and calls `receive` again is told when the client
leaves or the server is about to stop: that is how endless responses end.
"""

from email.utils import formatdate

import trio
from attrs import Factory, field, frozen
from starlette.types import ASGIApp, Message, Scope

from actors.net.client_lookup import ForwardedClients
from actors.runtime.actor import crash_guard
from actors.runtime.logs import get_logger
from actors.web.http.admission import Place
from actors.web.http.client_stream import ClientGone, ClientStream
from actors.web.http.failure_pacing import FailureRates
from config.settings import Settings
from protocol.access.client_address import ClientAddress, TrustedProxies
from protocol.rest.errors import RestError
from protocol.rest.http1 import Http1, RequestHead

log = get_logger("web")

REFUSED = "refused"
"""Key in the `state` of a scope: the application has refused the request, not just found nothing."""

REQUEST_ID = "request_id"
"""Key in the `state` of a scope: the id of the request."""
CERTIFICATE = "certificate"
"""Key in the `state` of a scope: the name in the client's certificate, or None."""

_MOST_UNREAD = 65536
"""Bytes of later requests that are read while an application waits for the client to leave."""
_GONE: Message = {"type": "http.disconnect"}


@frozen(kw_only=True)
class WebService:
    """What all connections share."""

    app: ASGIApp
    failures: FailureRates
    settings: Settings
    proxies: TrustedProxies
    send_timeout: float
    """Seconds in which a client must read the next piece of a response."""
    clients: ForwardedClients = field(default=Factory(lambda self: ForwardedClients(self.proxies), takes_self=True))
    closing: trio.Event = field(factory=trio.Event)
    """Set at the beginning of a shutdown: each connection is closed after its current response."""

    @property
    def head_timeout(self) -> float:
        """Seconds from the first byte of a request to the end of its headers."""
        return self.settings.rest_body_timeout


@frozen(kw_only=True)
class RequestSource:
    """Who sends a request: the client, and the scheme it used, as a trusted proxy tells them or as they are."""

    client: ClientAddress
    scheme: str

    @classmethod
    def of(cls, request: RequestHead, stream: ClientStream, clients: ForwardedClients) -> "RequestSource":
        """Of a request that came over `stream`."""
        peer = stream.peer
        return cls(
            client=clients.client_of(peer, _values(request, b"x-forwarded-for")),
            scheme=clients.proxies.scheme_of(peer, stream.scheme, _values(request, b"x-forwarded-proto")),
        )


def _values(request: RequestHead, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in request.headers if key == name]


class Exchange:
    """Runs the application for one request."""

    def __init__(
        self,
        request: RequestHead,
        source: RequestSource,
        engine: Http1,
        client: ClientStream,
        place: Place,
        service: WebService,
    ) -> None:
        self._engine = engine
        self._client = client
        self._place = place
        self._service = service
        self._head: tuple[int, list[tuple[bytes, bytes]]] | None = None
        self._has_started = False
        self._is_body_told = False
        self._sender = source.client
        self.scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": request.version,
            "method": request.method,
            "scheme": source.scheme,
            "path": request.path,
            "raw_path": request.raw_path,
            "query_string": request.query,
            "root_path": "",
            "headers": list(request.headers),
            "client": (self._sender.address, self._sender.port),
            "server": client.own_address,
            "state": {CERTIFICATE: client.certificate_name},
        }

    async def run(self) -> None:
        """Serve the request. A crash of the application is logged, and leaves the response unfinished."""
        if self._engine.is_body_complete:
            self._place.works()
        with crash_guard(self._report):
            await self._service.app(self.scope, self.receive, self.send)

    def _report(self, error: BaseException) -> None:
        gone = error.split(ClientGone)[1] is None if isinstance(error, BaseExceptionGroup) else False
        if not gone and not isinstance(error, ClientGone):
            named = {"request": self.scope["state"][REQUEST_ID]} if REQUEST_ID in self.scope["state"] else {}
            log.error("request crashed", path=self.scope["path"], crash=error, **named)

    # -- the request -----------------------------------------------------------------------------------------------

    async def receive(self) -> Message:
        """The next piece of the body, or a disconnect. Raises RestError for a malformed body."""
        try:
            if self._is_body_told:
                await self._until_the_end()
                return _GONE
            piece = await self._next_piece()
        except ClientGone:
            return _GONE
        if piece is None:
            return _GONE
        self._is_body_told = not piece
        if self._is_body_told:
            self._place.works()
        return {"type": "http.request", "body": piece, "more_body": bool(piece)}

    async def _next_piece(self) -> bytes | None:
        """A piece of the body, empty at its end; None if the client has closed before that."""
        while (piece := self._engine.body()) is None:
            if self._engine.awaits_continue and not self._has_started:
                await self._client.write(self._engine.go_on())
            data = await self._client.read()
            if not data:
                return None
            self._engine.feed(data)
        return piece

    async def _until_the_end(self) -> None:
        """Wait until the client leaves or the server is about to stop."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read_on, nursery.cancel_scope)
            await self._service.closing.wait()
            nursery.cancel_scope.cancel()

    async def _read_on(self, scope: trio.CancelScope) -> None:
        unread = 0
        try:
            while data := await self._client.read():
                self._engine.feed(data)
                unread += len(data)
                if unread > _MOST_UNREAD:
                    await trio.sleep_forever()
        except ClientGone:
            pass
        scope.cancel()

    # -- the answer ------------------------------------------------------------------------------------------------

    async def send(self, message: Message) -> None:
        """Send the response's head with the first piece of its body, then piece by piece. Raises ClientGone."""
        match message["type"]:
            case "http.response.start":
                self._head = (message["status"], list(message.get("headers", ())))
            case "http.response.body":
                data = b"" if self._has_started else await self._start()
                data += self._engine.piece(message.get("body", b""))
                if not message.get("more_body", False):
                    data += self._engine.end()
                await self._write(data)
            case other:
                raise ValueError(f"an answer has no {other}")

    async def _start(self) -> bytes:
        if self._head is None:
            raise ValueError("an answer begins with its head")
        status, headers = self._head
        if self.scope["state"].get(REFUSED):
            await self._hold_back()
        self._read_what_is_there()
        if all(name.lower() != b"date" for name, _ in headers):
            headers.append((b"date", formatdate(usegmt=True).encode()))
        self._has_started = True
        return self._engine.start(status, headers, close=self._service.closing.is_set())

    async def _hold_back(self) -> None:
        pause = self._service.failures.pause(self._sender.address)
        if pause:
            self._place.waits()
            await trio.sleep(pause)

    def _read_what_is_there(self) -> None:
        """Skip a body that the application has not read, as far as it has arrived, so the connection can continue."""
        try:
            while self._engine.body():
                pass
        except RestError:
            pass  # the connection ends after this response

    async def _write(self, data: bytes) -> None:
        self._place.waits()
        await self._client.write(data)
        self._place.works()
