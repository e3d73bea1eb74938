"""Connections to each backend host: bounded, shared in turn, kept for a while, closed when in doubt.

The stock httpx pool examines every request and connection on each event, which costs six times as much at 32 concurrent
calls (see tests/bench/hooks/cost.py). Here a host has only slots and a list of idle connections.

A call first gets a slot, and only then is its request built: a waiting call takes no more memory than its data.

A connection returns to the list only after a complete answer that allows reuse; after a cancellation, an error or
anything unexpected it is closed. So nothing leaks from one call to the next.
"""

import math
import ssl
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from types import TracebackType
from typing import Self

import httpx
import trio
from attrs import frozen

from actors.hooks.connections.connection import AnswerTooLarge, BackendConnection, NoAnswer, TlsFailed, connect, port_of
from actors.hooks.connections.start_pacer import StartPacer
from actors.net.resolver import CannotResolve, Resolver
from actors.runtime.fair_queue import Caller
from actors.runtime.shared_slots import SharedSlots
from protocol.hooks.networks import ANY_BACKEND, HookNetworks

__all__ = [
    "AnswerTooLarge",
    "CannotResolve",
    "HookTransport",
    "HostName",
    "HostSlot",
    "NoAnswer",
    "PoolStatistics",
    "TlsFailed",
    "host_name",
]

HostName = tuple[str, str, int]
"""Scheme, name and port of a backend."""
IDLE_SECONDS = 15.0
"""How long an unused connection is kept. Backends close after 5 to 60 s; a stale one is detected before use."""


def host_name(url: httpx.URL) -> HostName:
    """The host that `url` calls."""
    return url.scheme, url.host, port_of(url)


@frozen(kw_only=True)
class PoolStatistics:
    """Connections and waiting calls of all hosts together, as `/?action=stat` reports them."""

    leased: int
    available: int
    pending: int


class HookTransport:
    """Sends requests and reads whole answers of at most `max_response_size` bytes; follows no redirects.

    At most `max_connections` to one host are open at a time, at most half of them for keep-alives, and `max_total` to
    all hosts together, which one host cannot take all while others want some; further calls wait in line. `is_shared`
    says whether several applications call a host; if so, none may take all its connections.
    """

    def __init__(
        self,
        *,
        max_connections: int,
        max_total: int,
        max_response_size: int,
        tls: ssl.SSLContext,
        networks: HookNetworks = ANY_BACKEND,
        resolver: Resolver | None = None,
        is_shared: Callable[[HostName], bool] = lambda host: False,
    ) -> None:
        self._max_connections = max_connections
        self._max_response_size = max_response_size
        self._tls = tls
        self._networks = networks
        self._resolver = resolver or Resolver()
        self._is_shared = is_shared
        self._hosts: dict[HostName, _HostPool] = {}
        self._max_total = max_total
        self.connections = SharedSlots(
            max_total, is_shared=lambda: len(self._hosts) > 1
        )  # by host, then by application
        self._closed = False

    def change(
        self, *, max_connections: int, max_response_size: int, tls: ssl.SSLContext, networks: HookNetworks
    ) -> None:
        """Other limits and another trust, for the calls and connections that follow."""
        self._max_connections, self._max_response_size, self._tls = max_connections, max_response_size, tls
        is_elsewhere, self._networks = networks != self._networks, networks
        for host in self._hosts.values():
            host.resize(max_connections)
            if is_elsewhere:
                host.close_idle()

    def slot(
        self, url: httpx.URL, caller: Caller, *, keep_alive: bool = False, deadline: float = math.inf
    ) -> "HostSlot":
        """A slot for one exchange with the host of `url`. The call is abandoned at `deadline` (trio's clock).

        Raises httpx.UnsupportedProtocol.
        """
        if url.scheme not in ("http", "https") or not url.host:
            raise httpx.UnsupportedProtocol(f"{url.scheme or 'no scheme'}: not http or https")
        return HostSlot(self, self._host(url), caller, keep_alive=keep_alive, deadline=deadline)

    def close_expired(self) -> None:
        """Close connections that have been idle for a while, and forget hosts that have none."""
        now = trio.current_time()
        for key, host in list(self._hosts.items()):
            host.close_idle(before=now)
            if host.is_unused:
                del self._hosts[key]

    async def run(self) -> None:
        """Keep closing expired connections until cancelled; then close the idle ones."""
        try:
            while True:
                await trio.sleep(IDLE_SECONDS / 2)
                self.close_expired()
        finally:
            self.close()

    def close(self) -> None:
        """Close every idle connection, and keep none from now on: connections in use are closed after their call."""
        self._closed = True
        for host in self._hosts.values():
            host.close_idle()

    def statistics(self) -> PoolStatistics:
        """The current connections."""
        hosts = self._hosts.values()
        return PoolStatistics(
            leased=self.connections.taken,
            available=self._idle_count,
            pending=self.connections.waiting + sum(host.waiting for host in hosts),
        )

    def _host(self, url: httpx.URL) -> "_HostPool":
        name = host_name(url)
        host = self._hosts.get(name)
        if host is None:
            host = self._hosts[name] = _HostPool(name, self._max_connections, is_shared=lambda: self._is_shared(name))
        return host

    @property
    def _idle_count(self) -> int:
        return sum(len(host.idle) for host in self._hosts.values())

    async def exchange(self, host: "_HostPool", request: httpx.Request) -> httpx.Response:
        """Send a request to a host whose slot the caller holds, and read the whole answer."""
        connection = host.take_idle() or await self._connect(request.url)
        reusable = False
        try:
            response, reusable = await connection.exchange(request, max_size=self._max_response_size)
        finally:
            if reusable and not self._closed:
                host.keep(connection)
            else:
                connection.close()
        return response

    async def _connect(self, url: httpx.URL) -> BackendConnection:
        """Open a connection; if there are too many, it replaces the one that has been idle longest."""
        while (idle := self._idle_count) and idle + self.connections.taken > self._max_total:
            hosts = (host for host in self._hosts.values() if host.idle)
            min(hosts, key=lambda host: host.idle[0].idle_until).idle.popleft().close()
        return await connect(url, self._resolver, self._tls, self._networks)


class HostSlot:
    """The right to make one exchange with a host, for the duration of the block."""

    def __init__(
        self, transport: HookTransport, host: "_HostPool", caller: Caller, *, keep_alive: bool, deadline: float
    ) -> None:
        self._transport = transport
        self._host = host
        self._keep_alive = keep_alive
        self._deadline = deadline
        self._pacer = host.pacer(caller.app)
        keep_alives = [(host.keep_alives, caller)] if keep_alive else []
        of_all = Caller(host.name, caller.app)
        self._wanted = (*keep_alives, (host.connections, caller), (transport.connections, of_all))
        self._held: list[tuple[SharedSlots, Caller]] = []

    async def __aenter__(self) -> Self:
        await self._pacer.enter(in_batch=self._keep_alive)
        try:
            for slots, caller in self._wanted:
                await slots.take(caller)
                self._held.append((slots, caller))
        except BaseException:
            self._give_back()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._give_back()

    def _give_back(self) -> None:
        while self._held:
            slots, caller = self._held.pop()
            slots.give_back(caller)

    async def exchange(self, request: httpx.Request) -> httpx.Response:
        """Make the exchange. Raises a subclass of httpx.TransportError (see `connection`)."""
        try:
            response = await self._transport.exchange(self._host, request)
        except trio.Cancelled:
            # A caller that gave up says nothing about the host; a missed deadline does.
            if trio.current_time() >= self._deadline:
                self._pacer.is_failing = True
            raise
        except httpx.TransportError as error:
            if not isinstance(error, httpx.LocalProtocolError):
                self._pacer.is_failing = True
            raise
        self._pacer.is_failing = response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        return response


class _HostPool:
    """The connections to one backend host. The newest idle one is used first, so that spare ones expire."""

    def __init__(self, name: HostName, max_connections: int, *, is_shared: Callable[[], bool]) -> None:
        self.name = " ".join(map(str, name))
        self.connections = SharedSlots(max_connections, is_shared=is_shared)
        self.keep_alives = SharedSlots(max(1, max_connections // 2), is_shared=is_shared)
        self.idle: deque[BackendConnection] = deque()
        self._pacers: dict[str, StartPacer] = {}

    def resize(self, max_connections: int) -> None:
        """Have so many connections from now on."""
        self.connections.resize(max_connections)
        self.keep_alives.resize(max(1, max_connections // 2))

    def pacer(self, app: str) -> StartPacer:
        """Paces one application's calls: another application's crowds and failures do not affect it."""
        return self._pacers.setdefault(app, StartPacer())

    @property
    def waiting(self) -> int:
        limited = self.connections.waiting + self.keep_alives.waiting
        return limited + sum(pacer.waiting for pacer in self._pacers.values())

    @property
    def is_unused(self) -> bool:
        return not (self.idle or self.waiting or self.connections.taken or self.keep_alives.taken)

    def take_idle(self) -> BackendConnection | None:
        now = trio.current_time()
        while self.idle:
            connection = self.idle.pop()
            if connection.idle_until > now and not connection.is_stale:
                return connection
            connection.close()
        return None

    def keep(self, connection: BackendConnection) -> None:
        connection.idle_until = trio.current_time() + IDLE_SECONDS
        self.idle.append(connection)

    def close_idle(self, *, before: float | None = None) -> None:
        while self.idle and (before is None or self.idle[0].idle_until <= before):
            self.idle.popleft().close()
