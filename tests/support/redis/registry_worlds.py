"""The registry of a cluster in memory, as tests use it, and in a real Redis: the same suite runs over all of them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from actors.cluster.registry.link import ClusterLink
from actors.cluster.registry.redis_registry import RedisRegistry
from actors.cluster.registry.registry import Registry
from actors.runtime.actor import SHUTDOWN
from protocol.cluster.redis_url import parse_redis_url
from tests.support.redis.memory_redis import MemoryRedis
from tests.support.redis.redis_server import INSTALLED, redis_server

LONG = 600.0
PATIENCE = 60

Connect = Callable[..., Registry]


@asynccontextmanager
async def in_memory(folder: Path) -> AsyncIterator[Connect]:
    redis = MemoryRedis()

    def connect(client: str, *, lease: float = LONG, sweep_after: float = LONG) -> Registry:
        return redis.connect(client, lease=lease, sweep_after=sweep_after)

    yield connect


@asynccontextmanager
async def in_redis(folder: Path, *, program: str) -> AsyncIterator[Connect]:
    async with redis_server(folder, program=program) as server, trio.open_nursery() as nursery:
        link = ClusterLink(parse_redis_url(server.url), timeout=PATIENCE)
        nursery.start_soon(link.run)

        def connect(client: str, *, lease: float = LONG, sweep_after: float = LONG) -> Registry:
            return RedisRegistry(link, lease=lease, sweep_after=sweep_after)

        yield connect
        link.stop(SHUTDOWN)


WORLDS: dict[str, Callable[[Path], AbstractAsyncContextManager[Connect]]] = {
    "memory": in_memory,
    **{program: partial(in_redis, program=program) for program in INSTALLED},
}
