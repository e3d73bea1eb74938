"""Two servers that share a real Redis."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from actors.cluster.cluster import Cluster
from protocol.cluster.redis_url import parse_redis_url
from protocol.operator.callers import Operator
from protocol.operator.messages import Answer
from tests.support.redis.redis_server import POLL, RedisServer, redis_server
from tests.support.servers.full_server import FullServer, full_server
from tests.support.session.wcs_client import PATIENCE

OPERATOR = Operator(who="tests", source="wcs")


class SharedNode:
    """One of them."""

    def __init__(self, server: FullServer) -> None:
        self.full = server
        self.desk = server.server.parts.command_desk()

    @property
    def cluster(self) -> Cluster:
        clustered = self.full.server.parts.clustered
        assert clustered is not None
        return clustered.cluster

    async def command(self, text: str) -> Answer:
        """Carry out one command of `wcs`."""
        return await self.desk.answer(tuple(text.split()), OPERATOR)


@asynccontextmanager
async def node_of(redis: RedisServer, folder: Path, name: str, **settings: Any) -> AsyncIterator[SharedNode]:
    """A server of this cluster; its state is kept in `folder` under its name."""
    home = folder / name
    home.mkdir(exist_ok=True)
    patient = {"cluster_timeout": PATIENCE, "cluster_answer_timeout": PATIENCE}
    async with full_server(home, cluster_redis_url=parse_redis_url(redis.url), **{**patient, **settings}) as server:
        yield SharedNode(server)


@asynccontextmanager
async def shared_pair(folder: Path, **settings: Any) -> AsyncIterator[tuple[RedisServer, SharedNode, SharedNode]]:
    """Both, once they know each other."""
    async with redis_server(folder) as redis:
        async with node_of(redis, folder, "a", **settings) as a, node_of(redis, folder, "b", **settings) as b:
            a.cluster.membership.renew()
            await until(lambda: len(a.cluster.members()) == len(b.cluster.members()) == 2)
            yield redis, a, b


async def until(look: Callable[[], bool]) -> None:
    """Wait until `look` says so."""
    with trio.fail_after(PATIENCE):
        while not look():  # noqa: ASYNC110 - it tells no one
            await trio.sleep(POLL)
