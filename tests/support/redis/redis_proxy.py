"""A TCP proxy between a node and Redis, by which the way to it can lead nowhere, or be slow.

async with redis_proxy(redis) as way:
    ... way.url ...
    way.cut()           nothing passes any more, and nobody says so; not by new connections either
    way.mend()          new connections pass; old ones lead nowhere, as after a partition
    way.delay = 0.3     seconds that whatever passes takes, each way
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import trio

from tests.support.nurseries import plain_nursery
from tests.support.redis.redis_server import RedisServer


class RedisProxy:
    """See above."""

    def __init__(self, redis: RedisServer, host: str) -> None:
        self._redis, self._host = redis, host
        self.port = 0
        self.delay = 0.0
        self._is_cut = False
        self._dead: set[int] = set()
        """Connections over which nothing passes for ever, by number."""
        self._count = 0

    @property
    def url(self) -> str:
        return f"redis://{self._host}:{self.port}"

    def cut(self) -> None:
        self._is_cut = True

    def mend(self) -> None:
        self._is_cut = False
        self._dead.update(range(1, self._count + 1))

    async def serve(self, client: trio.SocketStream) -> None:
        self._count += 1
        number = self._count
        with suppress(OSError, trio.BrokenResourceError):  # Redis is gone
            async with await trio.open_unix_socket(self._redis.path) as server, trio.open_nursery() as nursery:
                nursery.start_soon(self._pass_on, client, server, number)
                await self._pass_on(server, client, number)
                nursery.cancel_scope.cancel()

    async def _pass_on(self, source: trio.SocketStream, target: trio.SocketStream, number: int) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for data in source:
                if self.delay:
                    await trio.sleep(self.delay)
                if not self._is_cut and number not in self._dead:
                    await target.send_all(data)


@asynccontextmanager
async def redis_proxy(redis: RedisServer, host: str = "127.0.0.1") -> AsyncIterator[RedisProxy]:
    """One that listens on a free port of `host`."""
    proxy = RedisProxy(redis, host)
    async with plain_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host=host)
        proxy.port = listener.socket.getsockname()[1]
        await nursery.start(trio.serve_listeners, proxy.serve, [listener])
        yield proxy
        nursery.cancel_scope.cancel()
