"""Two nodes, each with a way of its own to Redis, that of the second through a proxy which cuts it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from protocol.cluster.redis_url import parse_redis_url
from tests.support.cluster.two_nodes import cluster_of, node, until_seen
from tests.support.redis.redis_proxy import RedisProxy, redis_proxy
from tests.support.redis.redis_server import RedisServer, redis_server
from tests.support.servers.full_server import FullServer
from tests.support.session.wcs_client import WcsClient, wcs_client


class Parted:
    """Two nodes, a client of each, and the way of the second one to Redis."""

    def __init__(
        self, redis: RedisServer, way: RedisProxy, a: FullServer, b: FullServer, one: WcsClient, two: WcsClient
    ) -> None:
        self.redis, self.way, self.a, self.b, self.one, self.two = redis, way, a, b, one, two

    @property
    def is_whole(self) -> bool:
        """Whether both nodes see each other."""
        views = [cluster_of(server).membership for server in (self.a, self.b)]
        return all(each.is_up and each.view is not None and len(each.view.members) == 2 for each in views)


@asynccontextmanager
async def parted(folder: Path, **settings: Any) -> AsyncIterator[Parted]:
    """Both, once they see each other."""
    times = {"cluster_timeout": 1.0, "cluster_answer_timeout": 1.0, **settings}
    async with redis_server(folder) as redis, redis_proxy(redis) as way:
        async with (
            node(folder, "a", redis, **times) as a,
            node(folder, "b", redis, **{**times, "cluster_redis_url": parse_redis_url(way.url)}) as b,
            wcs_client(a.ws_url()) as one,
            wcs_client(b.ws_url()) as two,
        ):
            for server in (a, b):
                await until_seen(server, 2)
            yield Parted(redis, way, a, b, one, two)
