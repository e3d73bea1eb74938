"""Simulated nodes on a real redis-server, each by links of its own."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

import trio

from actors.cluster.registry.link import ClusterLink
from actors.cluster.registry.redis_registry import RedisRegistry
from actors.runtime.actor import SHUTDOWN
from protocol.cluster.redis_url import RedisUrl
from tests.support.cluster.cluster_simulation import SimulatedNode, Tally
from tests.support.redis.memory_redis import MemoryRedis

POLL = 0.1
"""Seconds between two looks at what a beat tells the nodes, and nobody here."""
TIMEOUT = 10.0
"""Seconds that Redis may take to answer, where many nodes share a processor."""


class Links:
    """One link of each node."""

    def __init__(self, url: RedisUrl, nursery: trio.Nursery) -> None:
        self._url, self._nursery = url, nursery
        self._links: list[ClusterLink] = []

    def connect(self, client: str) -> RedisRegistry:
        link = ClusterLink(self._url, timeout=TIMEOUT)
        self._links.append(link)
        self._nursery.start_soon(link.run)
        return RedisRegistry(link)

    def end_listening(self, client: str) -> None:
        """It ends with the link."""

    def stop(self) -> None:
        for link in self._links:
            link.stop(SHUTDOWN)


@asynccontextmanager
async def real_nodes(url: RedisUrl, count: int) -> AsyncIterator[Sequence[SimulatedNode]]:
    """So many nodes, which all know each other."""
    async with trio.open_nursery() as nursery:
        links = Links(url, nursery)
        redis = cast(MemoryRedis, links)  # of which nodes use no more
        nodes = [SimulatedNode(redis, f"n{number}", random.Random(number), Tally()) for number in range(count)]
        for node in nodes:
            nursery.start_soon(node.run)
        while not all(node.is_up and len(node.cluster.members()) == count for node in nodes):  # noqa: ASYNC110 - as below
            await trio.sleep(POLL)
        yield nodes
        for node in nodes:
            node.end()
        links.stop()
        nursery.cancel_scope.cancel()
