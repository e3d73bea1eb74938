"""A registry in memory, and nodes that are added to it one by one."""

import random

import trio
import trio.lowlevel
from trio.testing import wait_all_tasks_blocked

from protocol.cluster.members import BEAT_INTERVAL
from protocol.node.filters import StreamFilter
from protocol.rest.resources.streams import TerminateAnswer
from tests.support.cluster.cluster_simulation import TERMINATED, SimulatedNode, SimulatedStream, Tally
from tests.support.redis.memory_redis import MemoryRedis

NEWS = StreamFilter(name="news")
SOON = 2 * BEAT_INTERVAL


class World:
    """A registry, and nodes that are added one by one."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.redis = MemoryRedis()
        self.tally = Tally()
        self._nursery = nursery

    async def node(self, name: str, *, node: str | None = None) -> SimulatedNode:
        """A node that runs; `node`: its id, if it is a copy of another one's."""
        added = SimulatedNode(self.redis, name, random.Random(1), self.tally, identity=node or name)
        self._nursery.start_soon(added.run)
        await wait_all_tasks_blocked()
        await trio.sleep(SOON)
        return added


async def published(node: SimulatedNode, name: str = "news") -> SimulatedStream:
    """A publication of `node`, soon after it has begun."""
    node.publish(name)
    await trio.sleep(0.1)
    return node.streams()[-1]


async def terminate(node: SimulatedNode) -> TerminateAnswer:
    deadline = trio.current_time() + 5
    return await node.cluster.control.terminate(NEWS, TERMINATED, dry_run=False, deadline=deadline)
