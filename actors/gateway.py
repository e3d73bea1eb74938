"""The gateway: WebSocket connections in, sessions out.

It owns the listeners of ws and wss. A connection becomes a session once TLS and the WebSocket handshake are done;
until then it has few seconds, and what goes wrong in it ends it alone.
"""

import socket
import ssl
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

import trio
from attrs import frozen
from trio_websocket import WebSocketRequest

from actors.actor import ActorStopped, StopReason, crash_guard
from actors.logs import SparingLog, get_logger
from actors.session import ClientSocket, Inflow, Inflows, Session, Socket, StraightStream, receive_request
from actors.supervisor import Supervisor
from actors.tcp_stream import TcpStream, drop_references
from actors.timeouts import fail_after
from config.addresses import holder_of
from config.settings import Settings

log = get_logger("gateway")

HANDSHAKE_TIMEOUT = 10.0
"""Seconds for TLS and, again, for the WebSocket handshake."""
REFUSAL_TIMEOUT = 5.0
CLOSE_TIMEOUT = 2.0

T = TypeVar("T")

CONNECTION_LOST = StopReason(cause="connection-lost")


class MakeSession(Protocol):
    """How the gateway gets its sessions; the daemon knows what they need."""

    def __call__(self, socket: Socket, *, session_id: str, origin: str | None) -> Session: ...


@frozen(kw_only=True)
class Door:
    """One opened listening socket, with TLS or without."""

    listener: socket.socket
    tls: ssl.SSLContext | None = None


class Gateway:
    """Accepts WebSocket connections and gives each a session."""

    def __init__(
        self,
        doors: list[Door],
        *,
        supervisor: Supervisor,
        make_session: MakeSession,
        settings: Settings,
        handshake_timeout: float = HANDSHAKE_TIMEOUT,
    ) -> None:
        self._doors = doors
        self._supervisor = supervisor
        self._make_session = make_session
        self._settings = settings
        self._handshake_timeout = handshake_timeout
        self._per_address: Counter[str] = Counter()
        self._inflows = Inflows(settings)
        self._accepting = trio.CancelScope()
        self._handshakes: set[fail_after] = set()
        self._refusals = SparingLog(log, clock=trio.current_time)

    @property
    def connection_count(self) -> int:
        """Open connections, those in their handshake included."""
        return self._per_address.total()

    @property
    def client_memory(self) -> int:
        """Bytes that clients hold of `max_client_memory`."""
        return self._inflows.memory_used

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until `close` was called and the last connection is gone."""
        async with trio.open_nursery() as connections:
            with self._accepting:
                async with trio.open_nursery() as accepting:
                    for door in self._doors:
                        listener = trio.SocketListener(trio.socket.from_stdlib_socket(door.listener))
                        handler = partial(self._guarded, door)
                        await accepting.start(
                            partial(trio.serve_listeners, handler, [listener], handler_nursery=connections)
                        )
                    task_status.started()

    def close(self) -> None:
        """Accept nobody any more and drop whoever is no session yet; sessions go on."""
        self._accepting.cancel()
        for handshake in self._handshakes:
            handshake.cancel()

    # -- one connection ----------------------------------------------------------------------------

    async def _guarded(self, door: Door, stream: trio.SocketStream) -> None:
        with crash_guard(lambda error: log.debug("connection failed", error=repr(error))):
            with stream.socket:
                await self._admit(door, stream)

    async def _admit(self, door: Door, stream: trio.SocketStream) -> None:
        address = holder_of(stream.socket.getpeername()[0])
        if self._is_full(address):
            self._refusals.warning(
                "connection refused", address=address, limit="max_sessions or max_sessions_per_address"
            )
            return
        self._per_address[address] += 1
        inflow = self._inflows.open(address)
        try:
            await self._serve_door(door, TcpStream(stream), inflow)
        finally:
            inflow.close()
            self._per_address[address] -= 1
            if not self._per_address[address]:
                del self._per_address[address]

    async def _serve_door(self, door: Door, stream: TcpStream, inflow: Inflow) -> None:
        if door.tls is None:
            await self._serve(StraightStream(stream), stream.socket, inflow)
            return
        secured = trio.SSLStream(stream, door.tls, server_side=True, https_compatible=True)
        try:
            await self._in_time(secured.do_handshake)
            await self._serve(secured, stream.socket, inflow)
        finally:
            drop_references(secured)

    async def _in_time(self, step: Callable[[], Awaitable[T]]) -> T:
        """Take a step on the way to a session: it has few seconds, and none once the gateway closes."""
        with fail_after(self._handshake_timeout) as limit:
            self._handshakes.add(limit)
            try:
                return await step()
            finally:
                self._handshakes.discard(limit)

    def _is_full(self, address: str) -> bool:
        return (
            self._per_address[address] >= self._settings.max_sessions_per_address
            or self.connection_count >= self._settings.max_sessions
        )

    async def _serve(self, stream: trio.abc.Stream, peer: trio.socket.SocketType, inflow: Inflow) -> None:
        longest = self._settings.ws_max_frame_size
        async with trio.open_nursery() as nursery:
            receive = partial(receive_request, nursery, stream, inflow, max_message_size=longest)
            request = await self._in_time(receive)
            straight = stream if isinstance(stream, StraightStream) else None
            await self._serve_request(request, straight, inflow, _session_id(peer))
            nursery.cancel_scope.cancel()

    async def _serve_request(
        self, request: WebSocketRequest, straight: StraightStream | None, inflow: Inflow, session_id: str
    ) -> None:
        origin = _header(request, b"origin")
        if not self._allows(origin):
            self._refusals.warning("origin refused", origin=origin, setting="ws.allowed_origins")
            with trio.move_on_after(REFUSAL_TIMEOUT):
                await request.reject(403, body=b"This origin is not named in ws.allowed_origins\n")
            return
        connection = await self._in_time(request.accept)
        client = ClientSocket(connection, straight, inflow)
        session = self._make_session(client, session_id=session_id, origin=origin)
        try:
            self._supervisor.adopt_session(session)
        except ActorStopped:
            with trio.move_on_after(CLOSE_TIMEOUT):
                await connection.aclose(1001, "The server is shutting down")
            return
        try:
            await session.stopped.wait()
        finally:
            session.stop(CONNECTION_LOST)

    def _allows(self, origin: str | None) -> bool:
        allowed = self._settings.ws_allowed_origins
        return "*" in allowed or origin is None or origin in allowed


def _session_id(peer: trio.socket.SocketType) -> str:
    """`/<client address>:<port>/<server address>:<port>-<uuid>`, as WCS 5.2.9xx writes it."""
    remote, local = peer.getpeername(), peer.getsockname()
    return f"/{_plain(remote[0])}:{remote[1]}/{_plain(local[0])}:{local[1]}-{uuid.uuid4()}"


def _plain(address: str) -> str:
    """An IPv4 client of a dual-stack socket by its IPv4 address; an IPv6 address in brackets."""
    address = address.removeprefix("::ffff:") if "." in address else address
    return f"[{address}]" if ":" in address else address


def _header(request: WebSocketRequest, name: bytes) -> str | None:
    for key, value in request.headers:
        if key.lower() == name:
            return value.decode("ascii", errors="replace")
    return None
