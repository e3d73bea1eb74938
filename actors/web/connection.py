"""One connection of a web client, and Hypercorn's HTTP/1.1 engine inside it.

    stream -> Connection (reading, deadlines) -> H11Protocol (parsing, framing) -> Inbox -> application

Hypercorn's own trio worker is not used around its engine, for what it does not do (all tried with 0.18):
- a connection that fails ends alone. There its error ends the whole server, and one request with the header
  `HTTP2-Settings: AAA` is enough;
- a peer that stops reading is dropped after a while. There sends are shielded from cancellation without a limit;
- an answer that does not wait for the body is delivered and the connection closed. There the answering task waits for
  ever for room in its own queue;
- connections can be counted, and HTTP/2 is really off (it answers `Upgrade: h2c` whatever ALPN offers).
"""

import contextlib
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, cast

import h11
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState, H11SendableEvent, TaskGroup
from hypercorn.utils import parse_socket_addr
from starlette.types import ASGIApp, Message, Scope

from actors.actor import crash_guard
from actors.logs import get_logger
from actors.timeouts import fail_after

log = get_logger("web")

Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]

HANDSHAKE_TIMEOUT = 10.0
"""Seconds for TLS."""
IDLE_TIMEOUT = 60.0
"""Seconds that a connection may stay open between two requests."""
SEND_TIMEOUT = 30.0
"""Seconds in which a client must take the next piece of an answer."""
LINGER = 2.0
"""Seconds for a client to take the last answer and close."""

_PIECE = 65536


class WebService:
    """What all connections share: the application, the engine's configuration, and the news of a shutdown."""

    def __init__(self, app: ASGIApp, *, head_timeout: float, send_timeout: float = SEND_TIMEOUT) -> None:
        self.app = app
        self.head_timeout = head_timeout
        """Seconds from the first byte of a request to the end of its headers."""
        self.send_timeout = send_timeout
        self.context = WorkerContext(None)
        self.config = Config()
        self.config.errorlog = None
        self.config.accesslog = None
        self.config.include_server_header = False

    async def close(self) -> None:
        """From now on each connection is closed after the answer under way."""
        await self.context.terminated.set()


class Connection:
    """Reads requests from one stream and sends the answers; `run` returns when it is over, the caller closes."""

    def __init__(self, stream: Stream, service: WebService) -> None:
        self._stream = stream
        self._service = service
        self._reading = trio.CancelScope()
        self._sending = trio.Lock()
        self._idle = True
        self._hung_up = False
        self._broken = False

    async def run(self) -> None:
        """Serve until the peer or we close, an idle time runs out, or a deadline is missed."""
        try:
            if isinstance(self._stream, trio.SSLStream):
                with fail_after(HANDSHAKE_TIMEOUT):
                    await self._stream.do_handshake()
            async with trio.open_nursery() as nursery:
                await self._serve(self._engine(Requests(nursery, self._service)))
            if self._hung_up and not self._broken:
                await self._linger()
        except* (OSError, trio.BrokenResourceError, trio.TooSlowError) as gone:
            log.debug("web client gone", error=gone.exceptions[0])

    def close_if_idle(self) -> None:
        """Close now unless a request is under way."""
        if self._idle:
            self._hang_up()

    # -- reading -----------------------------------------------------------------------------------------------------

    def _engine(self, requests: "Requests") -> H11Protocol:
        is_tls = isinstance(self._stream, trio.SSLStream)
        transport = self._stream.transport_stream if isinstance(self._stream, trio.SSLStream) else self._stream
        socket, service = transport.socket, self._service
        return Http1(
            cast(AppWrapper, service.app),
            service.config,
            service.context,
            cast(TaskGroup, requests),
            ConnectionState({}),
            is_tls,
            parse_socket_addr(socket.family, socket.getpeername()),
            parse_socket_addr(socket.family, socket.getsockname()),
            self._on_event,
        )

    async def _serve(self, engine: H11Protocol) -> None:
        with self._reading:
            self._reading.deadline = trio.current_time() + self._service.head_timeout
            await self._read(engine)
        if self._hung_up or self._reading.cancelled_caught:
            await engine.handle(Closed())

    async def _read(self, engine: H11Protocol) -> None:
        """Feed the engine until the peer closes its side; an answer under way still goes out after that."""
        try:
            while data := await self._stream.receive_some(_PIECE):
                if self._idle:
                    head_deadline = trio.current_time() + self._service.head_timeout
                    self._reading.deadline = min(self._reading.deadline, head_deadline)
                await engine.handle(RawData(bytes(data)))
        except trio.BrokenResourceError:
            self._break()
        else:
            await engine.handle(RawData(b""))

    async def _linger(self) -> None:
        """Let the peer take our last answer: closing with input unread would make the system reset the connection."""
        with trio.move_on_after(LINGER):
            if isinstance(self._stream, trio.SocketStream):
                await self._stream.send_eof()
            while await self._stream.receive_some(_PIECE):
                pass

    # -- what the engine asks for --------------------------------------------------------------------------------------

    async def _on_event(self, event: Event) -> None:
        match event:
            case RawData(data=data):
                await self._send(data)
            case Updated(idle=idle):
                self._idle = idle
                self._reading.deadline = trio.current_time() + IDLE_TIMEOUT if idle else float("inf")
            case Closed():
                self._hang_up()

    async def _send(self, data: bytes) -> None:
        """Send all of it, or give the peer up. The engine need not know: it sends the rest into the void."""
        try:
            async with self._sending:
                for start in range(0, 0 if self._broken else len(data), _PIECE):
                    with fail_after(self._service.send_timeout):
                        await self._stream.send_all(data[start : start + _PIECE])
        except (trio.TooSlowError, trio.BrokenResourceError):
            self._break()

    def _break(self) -> None:
        self._broken = True
        self._hang_up()

    def _hang_up(self) -> None:
        self._hung_up = True
        self._reading.cancel()


class Http1(H11Protocol):
    """Hypercorn's HTTP/1.1 engine without the ways out to HTTP/2 (`Upgrade: h2c`, the `PRI` request)."""

    async def _check_protocol(self, event: h11.Request) -> None:
        """Stay with HTTP/1.1, whatever the request proposes."""

    async def _send_h11_event(self, event: H11SendableEvent) -> None:
        """Give the status its standard phrase, as WCS does (`200 OK`); the engine leaves it out."""
        if isinstance(event, h11.Response) and not event.reason:
            phrase = HTTPStatus(event.status_code).phrase.encode()
            event = h11.Response(status_code=event.status_code, headers=event.headers.raw_items(), reason=phrase)
        await super()._send_h11_event(event)


class Requests:
    """Runs the application for each request of one connection; takes the place of Hypercorn's task group."""

    def __init__(self, nursery: trio.Nursery, service: WebService) -> None:
        self._nursery = nursery
        self._app = service.app

    async def spawn_app(
        self, _app: AppWrapper, _config: Config, scope: Scope, send: Callable[[Any], Awaitable[None]]
    ) -> Callable[[Message], Awaitable[None]]:
        """Start the application on `scope`; the engine puts what arrives into the function returned."""
        inbox = Inbox()
        self._nursery.start_soon(self._answer, scope, inbox, send)
        return inbox.put

    async def _answer(self, scope: Scope, inbox: "Inbox", send: Callable[[Any], Awaitable[None]]) -> None:
        with crash_guard(lambda error: log.error("request crashed", path=scope["path"], crash=error)):
            await self._app(scope, inbox.get, send)
        inbox.close()
        await send(None)


class Inbox:
    """A request's body on its way to the application: few pieces at a time, and a disconnect that never has to wait."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[Message](2)

    async def put(self, message: Message) -> None:
        """Queue a piece of the body, waiting for room; dropped when nobody wants it any more."""
        if message["type"].endswith(".disconnect"):
            self._send.close()
            return
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self._send.send(message)

    async def get(self) -> Message:
        """The next piece of the body, or the news that the client is gone."""
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            return {"type": "http.disconnect"}

    def close(self) -> None:
        """The application has answered: a piece that still waits, or comes later, is dropped."""
        self._receive.close()
