"""A hook transport and a hook, for tests over real sockets."""

import contextlib
import ssl
from collections.abc import Iterator
from typing import Any

import httpx
import trio

from actors.hooks.transport import KEEP_ALIVE, HookTransport

CONTENT = b'{"name":"stream"}'
LIMIT = 100_000


@contextlib.contextmanager
def hook_transport(**options: Any) -> Iterator[HookTransport]:
    """A transport, closed at the end."""
    defaults: dict[str, Any] = {"max_connections": 10, "max_response_size": LIMIT, "tls": ssl.create_default_context()}
    transport = HookTransport(**{**defaults, **options})
    try:
        yield transport
    finally:
        transport.close()


async def post(transport: HookTransport, url: str, *, keep_alive: bool = False) -> httpx.Response:
    """One hook."""
    request = httpx.Request("POST", f"{url}/hook", content=CONTENT, extensions={KEEP_ALIVE: keep_alive})
    with trio.fail_after(30):
        return await transport.handle_async_request(request)
