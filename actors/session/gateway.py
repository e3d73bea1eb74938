"""The gateway: WebSocket connections in, sessions out.

It owns the listeners of ws and wss. A connection becomes a session once TLS and the WebSocket handshake are done; until
then it is an arrival: it has a few seconds, takes no session's place, and an error in it affects no other.
"""

import math
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

from actors.net.accept import Reserve, accept_connections
from actors.net.tcp_stream import TcpStream, drop_references
from actors.node.supervisor import Supervisor
from actors.runtime.actor import ActorStopped, StopReason, crash_guard
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.runtime.overload import Overload
from actors.session import (
    ClientSocket,
    NonBlockingStream,
    ReceiveQuota,
    ReceiveQuotas,
    Session,
    Socket,
    receive_request,
)
from actors.session.arrivals import Arrival, Arrivals, TooManyArrivals
from config.addresses import client_key
from config.settings import Settings
from protocol.common.shared_rates import RateShares

log = get_logger("gateway")

HANDSHAKE_TIMEOUT = 10.0
"""Seconds for TLS, and again for the WebSocket handshake."""
REFUSAL_TIMEOUT = 5.0
CLOSE_TIMEOUT = 2.0
RETRY_AFTER = b"5"
"""Seconds, for a client that is refused because of a limit."""

T = TypeVar("T")

CONNECTION_LOST = StopReason(cause="connection-lost")


class MakeSession(Protocol):
    """How the gateway gets its sessions; the daemon knows what they need."""

    def __call__(self, socket: Socket, *, session_id: str, origin: str | None) -> Session: ...


@frozen(kw_only=True)
class Endpoint:
    """One opened listening socket, with TLS or without."""

    listener: socket.socket
    tls: ssl.SSLContext | None = None


class Gateway:
    """Accepts WebSocket connections and gives each a session."""

    def __init__(
        self,
        doors: list[Endpoint],
        *,
        supervisor: Supervisor,
        make_session: MakeSession,
        settings: Settings,
        overload: Overload,
        handshake_timeout: float = HANDSHAKE_TIMEOUT,
    ) -> None:
        self._doors = doors
        self._supervisor = supervisor
        self._make_session = make_session
        self._settings = settings
        self._handshake_timeout = handshake_timeout
        self._inflows = ReceiveQuotas(settings)
        self._overload = overload
        self._arrivals = Arrivals(limit=settings.ws_max_arrivals, share=settings.ws_max_arrivals_per_address)
        self._rates = RateShares(settings.ws_max_upgrades_per_address, 2 * settings.ws_max_upgrades_per_address)
        self._sessions: Counter[str] = Counter()  # by address
        self._session_count = 0
        self._accepting = trio.CancelScope()
        self._refusals = RateLimitedLog(log, clock=trio.current_time)

    @property
    def connection_count(self) -> int:
        """Open connections, those in their handshake included."""
        return self._session_count + len(self._arrivals)

    @property
    def client_memory(self) -> int:
        """Bytes of `max_client_memory` that clients use."""
        return self._inflows.memory_used

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until `close` was called and the last connection is gone."""
        async with trio.open_nursery() as connections:
            with self._accepting:
                async with trio.open_nursery() as accepting:
                    for door in self._doors:
                        listener = trio.SocketListener(trio.socket.from_stdlib_socket(door.listener))
                        handler = partial(self._guarded, door)
                        accept = partial(accept_connections, reserve=Reserve.SESSIONS, log=self._refusals)
                        accepting.start_soon(accept, listener, handler, connections)
                    task_status.started()

    def close(self) -> None:
        """Accept no more connections and drop those that are not sessions yet; sessions continue."""
        self._accepting.cancel()
        self._arrivals.drop_all()

    # -- one connection ----------------------------------------------------------------------------

    async def _guarded(self, door: Endpoint, stream: trio.SocketStream) -> None:
        with crash_guard(lambda error: log.debug("connection failed", error=repr(error))):
            with stream.socket:
                await self._admit(door, stream)

    async def _admit(self, door: Endpoint, stream: trio.SocketStream) -> None:
        address = client_key(stream.socket.getpeername()[0])
        limit = self._session_limit_hit(address)
        if limit is not None:
            self._refuse(address, limit)
            return
        try:
            arrival = self._arrivals.enter(address)
        except TooManyArrivals as error:
            self._refuse(address, error.limit)
            return
        try:
            if await self._may_go_on(arrival, stream.socket):
                await self._meter(door, TcpStream(stream), arrival)
        finally:
            self._arrivals.leave(arrival)

    async def _meter(self, door: Endpoint, stream: TcpStream, arrival: Arrival) -> None:
        quota = self._inflows.open(arrival.address)
        try:
            await self._serve_door(door, stream, arrival, quota)
        finally:
            quota.close()

    async def _may_go_on(self, arrival: Arrival, peer: trio.socket.SocketType) -> bool:
        """Wait for the client's first byte, and until its address may start another handshake; false: it is gone."""
        if not await self._in_time(arrival, partial(peer.recv, 1, socket.MSG_PEEK)):
            return False
        wait = self._rates.charge(arrival.address, trio.current_time())
        if wait:
            self._refusals.warning("connection delayed", address=arrival.address, limit="ws.max_upgrades_per_address")
            await arrival.take(partial(trio.sleep, wait), seconds=math.inf)
        return True

    async def _serve_door(self, door: Endpoint, stream: TcpStream, arrival: Arrival, quota: ReceiveQuota) -> None:
        client = partial(_Client, peer=stream.socket, arrival=arrival, quota=quota)
        if door.tls is None:
            await self._serve(client(NonBlockingStream(stream)))
            return
        secured = trio.SSLStream(stream, door.tls, server_side=True, https_compatible=True)
        try:
            await self._in_time(arrival, secured.do_handshake)
            await self._serve(client(secured))
        finally:
            drop_references(secured)

    async def _in_time(self, arrival: Arrival, step: Callable[[], Awaitable[T]]) -> T:
        return await arrival.take(step, seconds=self._handshake_timeout)

    def _session_limit_hit(self, address: str) -> str | None:
        if self._session_count >= self._settings.max_sessions:
            return "max_sessions"
        share = self._settings.max_sessions_per_address
        return "max_sessions_per_address" if self._sessions[address] >= share else None

    def _refuse(self, address: str, limit: str) -> None:
        self._refusals.warning("connection refused", address=address, limit=limit)

    async def _serve(self, client: "_Client") -> None:
        arrival, longest = client.arrival, self._settings.ws_max_frame_size
        async with trio.open_nursery() as nursery:
            receive = partial(receive_request, nursery, client.stream, client.quota, max_message_size=longest)
            # A client that leaves before its upgrade must no longer be counted.
            request = await self._in_time(arrival, partial(receive, on_end=arrival.drop))
            refusal = self._refusal(request, arrival.address)
            if refusal is not None:
                await arrival.take(refusal, seconds=REFUSAL_TIMEOUT)
            else:
                await self._serve_request(request, client)
            nursery.cancel_scope.cancel()

    def _refusal(self, request: WebSocketRequest, address: str) -> Callable[[], Awaitable[None]] | None:
        """The response that refuses the upgrade; None to accept it."""
        origin = _header(request, b"origin")
        if not self._allows(origin):
            self._refusals.warning("origin refused", origin=origin, setting="ws.allowed_origins")
            return partial(request.reject, 403, body=b"This origin is not named in ws.allowed_origins\n")
        retry = [(b"Retry-After", RETRY_AFTER)]
        if self._overload.refuses():
            return partial(request.reject, 503, extra_headers=retry, body=b"Server is overloaded\n")
        limit = self._session_limit_hit(address)  # others may have arrived in the meantime
        if limit is not None:
            self._refuse(address, limit)
            return partial(request.reject, 503, extra_headers=retry, body=b"Too many sessions\n")
        return None

    async def _serve_request(self, request: WebSocketRequest, client: "_Client") -> None:
        arrival = client.arrival
        self._sessions[arrival.address] += 1
        self._session_count += 1
        try:
            connection = await self._in_time(arrival, request.accept)
            self._arrivals.leave(arrival)
            straight = client.stream if isinstance(client.stream, NonBlockingStream) else None
            web_socket = ClientSocket(connection, straight, client.quota)
            await self._run_session(web_socket, _session_id(client.peer), _header(request, b"origin"))
        finally:
            self._session_count -= 1
            self._sessions[arrival.address] -= 1
            if not self._sessions[arrival.address]:
                del self._sessions[arrival.address]

    async def _run_session(self, client: ClientSocket, session_id: str, origin: str | None) -> None:
        session = self._make_session(client, session_id=session_id, origin=origin)
        try:
            self._supervisor.adopt_session(session)
        except ActorStopped:
            with trio.move_on_after(CLOSE_TIMEOUT):
                await client.aclose(1001, "The server is shutting down")
            return
        try:
            await session.stopped.wait()
        finally:
            session.stop(CONNECTION_LOST)

    def _allows(self, origin: str | None) -> bool:
        allowed = self._settings.ws_allowed_origins
        return "*" in allowed or origin is None or origin in allowed


@frozen
class _Client:
    """One client whose TCP connection, and TLS, are up."""

    stream: trio.abc.Stream
    peer: trio.socket.SocketType
    arrival: Arrival
    quota: ReceiveQuota


def _session_id(peer: trio.socket.SocketType) -> str:
    """`/<client address>:<port>/<server address>:<port>-<uuid>`, as WCS 5.2.9xx writes it."""
    remote, local = peer.getpeername(), peer.getsockname()
    return f"/{_plain(remote[0])}:{remote[1]}/{_plain(local[0])}:{local[1]}-{uuid.uuid4()}"


def _plain(address: str) -> str:
    """The IPv4 address of an IPv4 client on a dual-stack socket; an IPv6 address in brackets."""
    address = address.removeprefix("::ffff:") if "." in address else address
    return f"[{address}]" if ":" in address else address


def _header(request: WebSocketRequest, name: bytes) -> str | None:
    for key, value in request.headers:
        if key.lower() == name:
            return value.decode("ascii", errors="replace")
    return None
