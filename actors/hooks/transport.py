"""httpx's transport for hooks: connections to each backend host, bounded, kept for a while, thrown away on any doubt.

The stock pool of httpx looks at every request and every connection for each event, which costs six times as much at 32
calls at once (see tests/bench/hooks.py). Here a host has a limiter and a list of idle connections, and that is all.

A connection goes back to the list only after a whole answer that lets it; after a cancellation, an error, or anything
unexpected it is closed. So nothing that happened in one call is seen by the next.
"""

import math
import ssl
from collections import deque
from http import HTTPStatus

import httpx
import trio
from attrs import frozen

from actors.hooks.connection import AnswerTooLarge, Connection, NoAnswer, TlsFailed, connect, port_of
from actors.hooks.resolver import CannotResolve, Resolver
from actors.hooks.turnstile import Turnstile

__all__ = [
    "DEADLINE",
    "KEEP_ALIVE",
    "AnswerTooLarge",
    "CannotResolve",
    "HookTransport",
    "NoAnswer",
    "PoolStatistics",
    "TlsFailed",
]

KEEP_ALIVE = "wcsd.keep_alive"
"""Request extension: True for a call that may use only half of its host's connections."""
DEADLINE = "wcsd.deadline"
"""Request extension: when the call will be given up because its host is too slow, on trio's clock."""
IDLE_SECONDS = 15.0
"""How long an unused connection is kept. Backends close after 5 to 60 s; a stale one is noticed before use."""


@frozen(kw_only=True)
class PoolStatistics:
    """Connections and waiting calls of all hosts together, as `/?action=stat` tells them."""

    leased: int
    available: int
    pending: int


class HookTransport(httpx.AsyncBaseTransport):
    """Sends requests and reads whole answers of at most `max_response_size` bytes; follows no redirects.

    At most `max_connections` to one host (scheme, name and port) are open at a time; further calls wait in line.
    """

    def __init__(
        self, *, max_connections: int, max_response_size: int, tls: ssl.SSLContext, resolver: Resolver | None = None
    ) -> None:
        self._max_connections = max_connections
        self._max_response_size = max_response_size
        self._tls = tls
        self._resolver = resolver or Resolver()
        self._hosts: dict[tuple[str, str, int], _Host] = {}
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Make one exchange, without a deadline. Raises httpx.TransportError in one of its forms (see `connection`)."""
        url = request.url
        if url.scheme not in ("http", "https") or not url.host:
            raise httpx.UnsupportedProtocol(f"{url.scheme or 'no scheme'}: not http or https")
        host = self._host(url)
        is_keep_alive = request.extensions.get(KEEP_ALIVE, False)
        await host.turnstile.enter(in_batch=is_keep_alive)
        if is_keep_alive:
            async with host.keep_alives, host.connections:
                return await self._call(host, request)
        async with host.connections:
            return await self._call(host, request)

    def close_expired(self) -> None:
        """Close the connections that nobody has used for a while, and forget hosts that have none."""
        now = trio.current_time()
        for key, host in list(self._hosts.items()):
            host.close_idle(before=now)
            if host.is_unused:
                del self._hosts[key]

    async def run(self) -> None:
        """Keep closing what expires, until cancelled; then close what is idle."""
        try:
            while True:
                await trio.sleep(IDLE_SECONDS / 2)
                self.close_expired()
        finally:
            self.close()

    def close(self) -> None:
        """Close every idle connection, and keep none from now on: those in use are closed after their call."""
        self._closed = True
        for host in self._hosts.values():
            host.close_idle()

    async def aclose(self) -> None:
        """As `close`."""
        self.close()

    def statistics(self) -> PoolStatistics:
        """The connections as they are."""
        hosts = self._hosts.values()
        return PoolStatistics(
            leased=sum(int(host.connections.borrowed_tokens) for host in hosts),
            available=sum(len(host.idle) for host in hosts),
            pending=sum(host.waiting for host in hosts),
        )

    def _host(self, url: httpx.URL) -> "_Host":
        key = (url.scheme, url.host, port_of(url))
        host = self._hosts.get(key)
        if host is None:
            host = self._hosts[key] = _Host(self._max_connections)
        return host

    async def _call(self, host: "_Host", request: httpx.Request) -> httpx.Response:
        try:
            response = await self._exchange(host, request)
        except trio.Cancelled:
            # An owner that has left says nothing about the host; the deadline does.
            if trio.current_time() >= request.extensions.get(DEADLINE, math.inf):
                host.turnstile.is_failing = True
            raise
        except httpx.TransportError as error:
            if not isinstance(error, httpx.LocalProtocolError):
                host.turnstile.is_failing = True
            raise
        host.turnstile.is_failing = response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        return response

    async def _exchange(self, host: "_Host", request: httpx.Request) -> httpx.Response:
        connection = host.take_idle() or await connect(request.url, self._resolver, self._tls)
        reusable = False
        try:
            response, reusable = await connection.exchange(request, max_size=self._max_response_size)
        finally:
            if reusable and not self._closed:
                host.keep(connection)
            else:
                connection.close()
        return response


class _Host:
    """The connections to one backend host: the newest idle one is used first, so that spare ones grow old."""

    def __init__(self, max_connections: int) -> None:
        self.connections = trio.CapacityLimiter(max_connections)
        self.keep_alives = trio.CapacityLimiter(max(1, max_connections // 2))
        self.turnstile = Turnstile()
        self.idle: deque[Connection] = deque()

    @property
    def waiting(self) -> int:
        limited = sum(each.statistics().tasks_waiting for each in (self.connections, self.keep_alives))
        return limited + self.turnstile.waiting

    @property
    def is_unused(self) -> bool:
        return not (self.idle or self.waiting or self.connections.borrowed_tokens or self.keep_alives.borrowed_tokens)

    def take_idle(self) -> Connection | None:
        now = trio.current_time()
        while self.idle:
            connection = self.idle.pop()
            if connection.idle_until > now and not connection.is_stale:
                return connection
            connection.close()
        return None

    def keep(self, connection: Connection) -> None:
        connection.idle_until = trio.current_time() + IDLE_SECONDS
        self.idle.append(connection)

    def close_idle(self, *, before: float | None = None) -> None:
        while self.idle and (before is None or self.idle[0].idle_until <= before):
            self.idle.popleft().close()
