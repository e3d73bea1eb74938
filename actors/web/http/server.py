"""Serving the web application on opened sockets: accept, admit, isolate, drain at the end."""

import socket
import ssl
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import trio
from starlette.types import ASGIApp

from actors.net.accept import Reserve, accept_connections
from actors.net.tcp_listeners import server_tls
from actors.net.tcp_stream import TcpStream
from actors.runtime.actor import crash_guard
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.web.http.admission import ConnectionAdmission
from actors.web.http.asgi_exchange import WebService
from actors.web.http.client_stream import ClientGone, ClientStream
from actors.web.http.connection import HttpConnection
from actors.web.http.failure_pacing import FailureRates
from config.settings import Settings

log = get_logger("web")

SEND_TIMEOUT = 30.0
"""Seconds in which a client must read the next piece of a response."""
SHUTDOWN_GRACE = 3.0
"""Seconds that requests in progress may take once the server is asked to stop."""


async def serve_web(
    app: ASGIApp,
    plain: socket.socket | None,
    tls: socket.socket | None,
    cert: Path,
    key: Path,
    settings: Settings,
    shutdown: trio.Event,
    *,
    grace: float = SHUTDOWN_GRACE,
    send_timeout: float = SEND_TIMEOUT,
) -> None:
    """Serve `app` on the listening sockets `plain` (http) and `tls` (https) until `shutdown` is set.

    Owns the sockets and closes them. After `shutdown` no new connection is accepted, idle ones are closed, and requests
    in progress have `grace` seconds to be answered. A client that stops reading its response is dropped after
    `send_timeout` seconds. Raises ListenerError if the certificate cannot be used.
    """
    server = _Server(app, settings, send_timeout)
    with ExitStack() as sockets:
        for taken_over in filter(None, (plain, tls)):
            sockets.enter_context(taken_over)
        context = server_tls(cert, key, protocols=["http/1.1"]) if tls is not None else None
        async with trio.open_nursery() as connections:
            async with trio.open_nursery() as accepting:
                for listening, tls_context in ((plain, None), (tls, context)):
                    if listening is not None:
                        accepting.start_soon(_accept, server, listening, tls_context, connections)
                await shutdown.wait()
                accepting.cancel_scope.cancel()
            server.drain()
            connections.cancel_scope.deadline = trio.current_time() + grace


async def _accept(
    server: "_Server", listening: socket.socket, tls: ssl.SSLContext | None, connections: trio.Nursery
) -> None:
    listening.setblocking(False)
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(listening))
    serve = partial(server.serve, tls)
    await accept_connections(listener, serve, connections, reserve=Reserve.HTTP, log=server.log)


class _Server:
    """The connections of all listeners: counted, limited, and isolated from each other."""

    def __init__(self, app: ASGIApp, settings: Settings, send_timeout: float) -> None:
        self.log = RateLimitedLog(log, clock=trio.current_time)
        self._service = WebService(
            app=app,
            failures=FailureRates(settings.rest_max_failed_requests, self.log),
            head_timeout=settings.rest_body_timeout,
            send_timeout=send_timeout,
        )
        self._admission = ConnectionAdmission(
            limit=settings.http_max_connections,
            per_client=settings.http_max_connections_per_address,
            log=self.log,
        )
        self._connections: set[HttpConnection] = set()

    async def serve(self, tls: ssl.SSLContext | None, stream: trio.SocketStream) -> None:
        """Serve one accepted connection; trio closes it when this returns."""
        client = ClientStream(TcpStream(stream), tls, send_timeout=self._service.send_timeout)
        life = trio.CancelScope()
        try:
            place = self._admission.admit(client.addresses()[0][0], life.cancel)
        except ClientGone:
            return
        if place is None:
            return
        connection = HttpConnection(client, place, life, self._service, self.log)
        self._connections.add(connection)
        try:
            with crash_guard(lambda error: log.error("connection crashed", crash=error)):
                await connection.run()
        finally:
            place.leave()
            client.drop_references()
            self._connections.discard(connection)

    def drain(self) -> None:
        """Finish the requests in progress, and accept nothing after them."""
        self._service.closing.set()
        for connection in tuple(self._connections):
            connection.close_if_idle()
