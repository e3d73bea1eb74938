"""The gateway: WebSocket connections in, sessions out.

It owns the listeners of ws and wss. A connection becomes a session once TLS and the WebSocket handshake are done; until
then it is an arrival: it has a few seconds, takes no session's place, and an error in it affects no other.
"""

import math
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Protocol, TypeVar

import trio
from attrs import evolve, frozen
from trio_websocket import WebSocketRequest

from actors.net.accept import Reserve, accept_connections
from actors.net.client_lookup import NOT_FROM_PROXY, ForwardedClients, NotFromProxy, peer_of, receive_client
from actors.net.plain_http import answered_plain_http
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
from actors.session.admission import PACE_LIMIT, SessionAdmission
from actors.session.arrivals import Arrival, Arrivals, TooManyArrivals
from actors.session.socket.client_socket import straight_way
from config.live import follow
from config.media_addresses import client_key
from config.settings import Settings
from protocol.access.client_address import ClientAddress
from protocol.metrics.signalling_counts import ORIGIN, OVERLOAD, PROXY, RefusalCounts
from protocol.node.session_ids import new_session_id
from protocol.rest.access import is_named

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

    def proxy_setting(self, settings: Settings) -> str | None:
        """The setting by which it requires the PROXY protocol; None if it does not."""
        if self.tls is None:
            return "ws.proxy_protocol" if settings.ws_proxy_protocol else None
        return "wss.proxy_protocol" if settings.wss_proxy_protocol else None


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
        admission: SessionAdmission,
        handshake_timeout: float = HANDSHAKE_TIMEOUT,
    ) -> None:
        self._doors = doors
        self._supervisor = supervisor
        self._make_session = make_session
        self._settings = settings
        self._proxies = settings.trusted_proxies
        self._forwarded = ForwardedClients(self._proxies)
        self._handshake_timeout = handshake_timeout
        self._inflows = ReceiveQuotas(settings)
        self._overload = overload
        self._arrivals = Arrivals(limit=settings.ws_max_arrivals, share=settings.ws_max_arrivals_per_address)
        follow(settings, self._adopt)
        self._admission = admission
        self._session_count = 0
        self._accepting = trio.CancelScope()
        self._refusals = RateLimitedLog(log, clock=trio.current_time)
        self.refused = RefusalCounts()

    def _adopt(self, settings: Settings) -> None:
        self._arrivals.limit, self._arrivals.share = settings.ws_max_arrivals, settings.ws_max_arrivals_per_address

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
        peer = peer_of(stream.socket)
        is_proxy = self._proxies.trusts(peer.address)
        key = client_key(peer.address)
        limit = self._admission.limit_hit(None if is_proxy else key)
        if limit is not None:
            self._refuse(key, limit)
            return
        try:
            arrival = self._arrivals.enter(key, is_proxy=is_proxy)
        except TooManyArrivals as error:
            self._refuse(key, error.limit)
            return
        try:
            client = await self._identify(door, stream.socket, arrival, peer)
            if client is not None and await self._may_go_on(arrival, stream.socket, client):
                await self._meter(door, TcpStream(stream), arrival, client)
        finally:
            self._arrivals.leave(arrival)

    async def _meter(self, door: Endpoint, stream: TcpStream, arrival: Arrival, client: ClientAddress) -> None:
        quota = self._inflows.open(arrival.address)
        try:
            await self._serve_door(door, stream, _Client(stream, stream.socket, client, arrival, quota))
        finally:
            quota.close()

    async def _may_go_on(self, arrival: Arrival, peer: trio.socket.SocketType, client: ClientAddress) -> bool:
        """Wait for the client's first byte, and until its address may start another handshake; false: it is gone.

        A proxy's own address does not matter: its request names the client.
        """
        if not await self._in_time(arrival, partial(peer.recv, 1, socket.MSG_PEEK)):
            return False
        if not self._proxies.trusts(client.address):
            await self._pace(arrival)
        return True

    async def _pace(self, arrival: Arrival) -> None:
        """Wait until the address may go on."""
        wait = self._admission.pace(arrival.address)
        if wait:
            self._refusals.warning("connection delayed", address=arrival.address, limit=PACE_LIMIT)
            await arrival.take(partial(trio.sleep, wait), seconds=math.inf)

    async def _serve_door(self, door: Endpoint, stream: TcpStream, client: "_Client") -> None:
        if door.tls is None:
            await self._serve(evolve(client, stream=NonBlockingStream(stream)))
            return
        if await self._in_time(client.arrival, partial(answered_plain_http, stream)):
            return
        secured = trio.SSLStream(NonBlockingStream(stream), door.tls, server_side=True, https_compatible=True)
        try:
            await self._in_time(client.arrival, secured.do_handshake)
            await self._serve(evolve(client, stream=secured))
        finally:
            drop_references(secured)

    # -- clients of a proxy ------------------------------------------------------------------------

    async def _identify(
        self, door: Endpoint, connection: trio.socket.SocketType, arrival: Arrival, peer: ClientAddress
    ) -> ClientAddress | None:
        """The client, as the PROXY protocol names it where that is required; None if it must not go on."""
        setting = door.proxy_setting(self._settings)
        if setting is None:
            return peer
        receive = partial(receive_client, connection, peer, self._proxies, setting=setting)
        try:
            client = await self._in_time(arrival, receive)
        except (NotFromProxy, trio.TooSlowError) as error:
            told, reason = (error.setting, error.reason) if isinstance(error, NotFromProxy) else (setting, "too slow")
            self.refused.note(PROXY)
            self._refusals.warning(NOT_FROM_PROXY, address=peer.address, setting=told, reason=reason)
            return None
        return client if self._forwarded_limit_hit(arrival, client) is None else None

    async def _take_forwarded(self, request: WebSocketRequest, client: "_Client") -> tuple["_Client", str | None]:
        """The client as X-Forwarded-For names it, and the limit that its address has reached, if any."""
        forwarded_for = [value.decode("latin-1") for name, value in request.headers if name == b"x-forwarded-for"]
        address = self._forwarded.client_of(client.address, forwarded_for)
        limit = self._forwarded_limit_hit(client.arrival, address)
        if limit is None and self._proxies.trusts(client.address.address):
            self._inflows.move(client.quota, client.arrival.address)
            await self._pace(client.arrival)
        return evolve(client, address=address), limit

    def _forwarded_limit_hit(self, arrival: Arrival, client: ClientAddress) -> str | None:
        """Count the arrival as one from the address that a proxy has named; the limit, also logged, if it is reached.

        Such an address is known later than others, which were examined when their connections were accepted.
        """
        key = client_key(client.address)
        if not client.is_forwarded or key == arrival.address:
            return None
        limit = self._admission.limit_hit(key)
        if limit is None:
            try:
                self._arrivals.move(arrival, key)
            except TooManyArrivals as error:
                limit = error.limit
        if limit is not None:
            self._refuse(key, limit)
        return limit

    # -- the WebSocket -----------------------------------------------------------------------------

    async def _in_time(self, arrival: Arrival, step: Callable[[], Awaitable[T]]) -> T:
        return await arrival.take(step, seconds=self._handshake_timeout)

    def _refuse(self, address: str, limit: str) -> None:
        self.refused.note(limit)
        self._refusals.warning("connection refused", address=address, limit=limit)

    async def _serve(self, client: "_Client") -> None:
        arrival, longest = client.arrival, self._settings.ws_max_frame_size
        async with trio.open_nursery() as nursery:
            receive = partial(receive_request, nursery, client.stream, client.quota, max_message_size=longest)
            # A client that leaves before its upgrade must no longer be counted.
            request = await self._in_time(arrival, partial(receive, on_end=arrival.drop))
            client, limit = await self._take_forwarded(request, client)
            refusal = _too_many(request) if limit is not None else self._refusal(request, arrival.address)
            if refusal is not None:
                await arrival.take(refusal, seconds=REFUSAL_TIMEOUT)
            else:
                await self._serve_request(request, client)
            nursery.cancel_scope.cancel()

    def _refusal(self, request: WebSocketRequest, address: str) -> Callable[[], Awaitable[None]] | None:
        """The response that refuses the upgrade; None to accept it."""
        origin = _header(request, b"origin")
        if not self._allows(origin):
            self.refused.note(ORIGIN)
            self._refusals.warning("origin refused", origin=origin, setting="ws.allowed_origins")
            return partial(request.reject, 403, body=b"This origin is not named in ws.allowed_origins\n")
        if self._overload.refuses():
            self.refused.note(OVERLOAD)
            return _try_later(request, b"Server is overloaded\n")
        limit = self._admission.limit_hit(address)  # others may have arrived in the meantime
        if limit is not None:
            self._refuse(address, limit)
            return _too_many(request)
        return None

    async def _serve_request(self, request: WebSocketRequest, client: "_Client") -> None:
        arrival = client.arrival
        with self._counted(arrival.address):
            connection = await self._in_time(arrival, request.accept)
            self._arrivals.leave(arrival)
            web_socket = ClientSocket(connection, straight_way(client.stream), client.quota, address=arrival.address)
            await self._run_session(web_socket, client.session_id(), _header(request, b"origin"))

    @contextmanager
    def _counted(self, address: str) -> Iterator[None]:
        self._session_count += 1
        try:
            with self._admission.place(address):
                yield
        finally:
            self._session_count -= 1

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
        return "*" in allowed or origin is None or is_named(origin, allowed)


@frozen
class _Client:
    """One client whose TCP connection, and TLS, are up."""

    stream: trio.abc.Stream
    socket: trio.socket.SocketType
    address: ClientAddress
    arrival: Arrival
    quota: ReceiveQuota

    def session_id(self) -> str:
        """A new id for its session."""
        remote, local = self.address, self.socket.getsockname()
        return new_session_id((remote.address, remote.port), (local[0], local[1]))


def _too_many(request: WebSocketRequest) -> Callable[[], Awaitable[None]]:
    return _try_later(request, b"Too many sessions\n")


def _try_later(request: WebSocketRequest, body: bytes) -> Callable[[], Awaitable[None]]:
    return partial(request.reject, 503, extra_headers=[(b"Retry-After", RETRY_AFTER)], body=body)


def _header(request: WebSocketRequest, name: bytes) -> str | None:
    for key, value in request.headers:
        if key.lower() == name:
            return value.decode("ascii", errors="replace")
    return None
