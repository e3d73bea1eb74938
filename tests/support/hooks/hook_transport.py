"""Hook transports for tests: a real one with a single call, and one in memory."""

import contextlib
import math
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import httpx
import trio

from actors.hooks.connections.transport import HookTransport, PoolStatistics
from actors.runtime.fair_queue import Caller

CONTENT = b'{"name":"stream"}'
LIMIT = 100_000
CALLER = Caller("app", "session")


@contextlib.contextmanager
def hook_transport(**options: Any) -> Iterator[HookTransport]:
    """A transport, closed at the end."""
    defaults = {"max_connections": 10, "max_total": 100, "max_response_size": LIMIT}
    transport = HookTransport(**{"tls": ssl.create_default_context(), **defaults, **options})
    try:
        yield transport
    finally:
        transport.close()


async def exchange(
    transport: HookTransport,
    url: str,
    content: bytes = CONTENT,
    *,
    caller: Caller = CALLER,
    keep_alive: bool = False,
    deadline: float = math.inf,
) -> httpx.Response:
    """One POST, for as long as it takes."""
    request = httpx.Request("POST", url, content=content)
    async with transport.slot(request.url, caller, keep_alive=keep_alive, deadline=deadline) as place:
        return await place.exchange(request)


async def post(
    transport: HookTransport, url: str, *, caller: Caller = CALLER, keep_alive: bool = False
) -> httpx.Response:
    """One hook."""
    with trio.fail_after(60):
        return await exchange(transport, f"{url}/hook", caller=caller, keep_alive=keep_alive)


class MemoryTransport:
    """A transport without connections, before a backend in memory: everybody has a place."""

    def __init__(self, backend: Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]) -> None:
        self._transport = httpx.MockTransport(backend)

    @contextlib.asynccontextmanager
    async def slot(
        self, url: httpx.URL, caller: Caller, *, keep_alive: bool, deadline: float
    ) -> AsyncIterator["MemoryTransport"]:
        yield self

    async def exchange(self, request: httpx.Request) -> httpx.Response:
        return await self._transport.handle_async_request(request)

    async def run(self) -> None:
        """There is nothing that grows old."""

    def close(self) -> None:
        """There is nothing to close."""

    def statistics(self) -> PoolStatistics:
        return PoolStatistics(leased=0, available=0, pending=0)
