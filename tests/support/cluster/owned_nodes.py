"""Nodes over a registry in memory, each with a part that REST acts on, whichever node is asked."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

import trio
from trio.testing import wait_all_tasks_blocked

from actors.cluster.cluster import Cluster
from actors.runtime.actor import crash_guard
from protocol.cluster.members import BEAT_INTERVAL
from tests.support.cluster.cluster_simulation import SimulatedNode, Tally
from tests.support.redis.memory_redis import MemoryRedis

P = TypeVar("P")


class OwnedNodes(Generic[P]):
    """By their names: the part of each, and the node."""

    def __init__(self, redis: MemoryRedis, names: str, make: Callable[[SimulatedNode, Cluster], P]) -> None:
        self.redis = redis
        self.parts: dict[str, P] = {}
        self.nodes = {name: SimulatedNode(redis, name, redis.chance, Tally()) for name in names}
        for node in self.nodes.values():
            node.prepare = self._preparing(node, make)

    def __getitem__(self, name: str) -> P:
        return self.parts[name]

    def _preparing(self, node: SimulatedNode, make: Callable[[SimulatedNode, Cluster], P]) -> Callable[[Cluster], None]:
        def prepare(cluster: Cluster) -> None:
            self.parts[node.name] = make(node, cluster)

        return prepare


@asynccontextmanager
async def owned_nodes(names: str, make: Callable[[SimulatedNode, Cluster], P]) -> AsyncIterator[OwnedNodes[P]]:
    """Nodes with these letters as names, once they know each other. `make` is called at each start of one."""
    owned = OwnedNodes(MemoryRedis(), names, make)
    async with trio.open_nursery() as nursery:
        for node in owned.nodes.values():
            nursery.start_soon(node.run)
        await wait_all_tasks_blocked()
        await trio.sleep(2 * BEAT_INTERVAL)
        yield owned
        nursery.cancel_scope.cancel()


async def at_once(works: Iterable[Callable[[], Awaitable[None]]]) -> list[BaseException | None]:
    """Do all of this at the same time; what each was refused with, or None."""
    outcomes: list[BaseException | None] = []

    async def do(work: Callable[[], Awaitable[None]]) -> None:
        errors: list[BaseException] = []
        with crash_guard(errors.append):
            await work()
        outcomes.append(errors[0] if errors else None)

    async with trio.open_nursery() as nursery:
        for work in works:
            nursery.start_soon(do, work)
    return outcomes
