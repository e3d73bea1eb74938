"""Serving the web application on opened sockets: accept, admit, isolate, drain at the end."""

import socket
import ssl
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

import trio
from attrs import frozen
from starlette.types import ASGIApp

from actors.net.accept import Reserve, accept_connections
from actors.net.tcp_stream import TcpStream
from actors.runtime.actor import crash_guard
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.web.http.admission import ConnectionAdmission
from actors.web.http.asgi_exchange import WebService
from actors.web.http.client_stream import ClientGone, ClientStream
from actors.web.http.connection import HttpConnection
from actors.web.http.failure_pacing import FailureRates
from config.live import follow
from config.settings import TABLE, Settings
from protocol.metrics.web_counts import WebCounts

log = get_logger("web")

SEND_TIMEOUT = 30.0
"""Seconds in which a client must read the next piece of a response."""
SHUTDOWN_GRACE = 3.0
"""Seconds that requests in progress may take once the server is asked to stop."""


@frozen(kw_only=True)
class HttpListener:
    """One listening socket, with TLS or without; `name`: as in the settings."""

    listener: socket.socket
    name: str = "http"
    tls: ssl.SSLContext | None = None
    proxy_setting: str | None = None
    """The setting by which it requires the PROXY protocol; None if it does not."""


@frozen(kw_only=True)
class WebLimits:
    """What the connections of some listeners may take together."""

    setting: str = "http.max_connections"
    """The setting that has their number."""
    reserve: Reserve = Reserve.HTTP
    send_timeout: float = SEND_TIMEOUT
    grace: float = SHUTDOWN_GRACE


REST_LIMITS = WebLimits()


async def serve_web(
    app: ASGIApp,
    listeners: Sequence[HttpListener],
    settings: Settings,
    shutdown: trio.Event,
    *,
    limits: WebLimits = REST_LIMITS,
    counts: WebCounts | None = None,
) -> None:
    """Serve `app` on listening sockets until `shutdown` is set.

    Owns the sockets and closes them. After `shutdown` no new connection is accepted, idle ones are closed, and requests
    in progress have `grace` seconds to be answered. A client that stops reading its response is dropped after
    `send_timeout` seconds.
    """
    server = _Server(app, settings, limits, counts or WebCounts())
    with ExitStack() as sockets:
        for endpoint in listeners:
            sockets.enter_context(endpoint.listener)
        async with trio.open_nursery() as connections:
            async with trio.open_nursery() as accepting:
                for endpoint in listeners:
                    accepting.start_soon(_accept, server, endpoint, connections)
                await shutdown.wait()
                accepting.cancel_scope.cancel()
            server.drain()
            connections.cancel_scope.deadline = trio.current_time() + limits.grace


async def _accept(server: "_Server", endpoint: HttpListener, connections: trio.Nursery) -> None:
    endpoint.listener.setblocking(False)
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(endpoint.listener))
    serve = partial(server.serve, endpoint)
    await accept_connections(listener, serve, connections, reserve=server.limits.reserve, log=server.log)


class _Server:
    """The connections of all listeners: counted, limited, and isolated from each other."""

    def __init__(self, app: ASGIApp, settings: Settings, limits: WebLimits, counts: WebCounts) -> None:
        self.limits = limits
        self._open = counts.connections
        self.log = RateLimitedLog(log, clock=trio.current_time)
        self._service = WebService(
            app=app,
            failures=FailureRates(settings.rest_max_failed_requests, self.log),
            settings=settings,
            send_timeout=limits.send_timeout,
            proxies=settings.trusted_proxies,
        )
        self._admission = ConnectionAdmission(
            limit=self._limit(settings),
            per_client=settings.http_max_connections_per_address,
            log=self.log,
            proxies=settings.trusted_proxies,
            setting=limits.setting,
        )
        self._service.failures.refused = self._admission.refused = counts.refused
        self._connections: set[HttpConnection] = set()
        follow(settings, self._adopt)

    def _adopt(self, settings: Settings) -> None:
        self._admission.limit = self._limit(settings)
        self._admission.per_client = settings.http_max_connections_per_address
        self._service.failures.rate = settings.rest_max_failed_requests

    def _limit(self, settings: Settings) -> int:
        limit: int = getattr(settings, TABLE[self.limits.setting].attribute)
        return limit

    async def serve(self, endpoint: HttpListener, stream: trio.SocketStream) -> None:
        """Serve one accepted connection; trio closes it when this returns."""
        try:
            client = ClientStream(TcpStream(stream), endpoint.tls, send_timeout=self._service.send_timeout)
        except ClientGone:
            return
        life = trio.CancelScope()
        place = self._admission.admit(client.peer, life.cancel)
        if place is None:
            return
        connection = HttpConnection(client, place, life, self._service, self.log)
        self._connections.add(connection)
        self._open[endpoint.name] += 1
        try:
            with crash_guard(lambda error: log.error("connection crashed", crash=error)):
                await connection.run(endpoint.proxy_setting)
        finally:
            place.leave()
            client.drop_references()
            self._open[endpoint.name] -= 1
            self._connections.discard(connection)

    def drain(self) -> None:
        """Finish the requests in progress, and accept nothing after them."""
        self._service.closing.set()
        for connection in tuple(self._connections):
            connection.close_if_idle()
