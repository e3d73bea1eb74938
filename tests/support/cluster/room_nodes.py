"""Servers' signalling in memory as nodes of a cluster: each with sessions, rooms, and a registry that all share."""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import trio
from attrs import evolve
from trio.testing import wait_all_tasks_blocked

from actors.cluster.cluster import Cluster, NodeParts
from actors.cluster.membership import NodeIdentity
from actors.node.control import LocalNode
from actors.node.data_delivery import DataDelivery
from actors.node.drain import Drain
from actors.node.ports.drain import LocalDrain
from actors.rooms import RoomDirectory
from actors.rooms.clustered import ClusterRoomControl, ClusterRooms
from actors.runtime.actor import StopReason
from actors.stream.event_delivery import StreamEventDelivery
from protocol.cluster.members import BEAT_INTERVAL, MemberInfo
from tests.support.redis.memory_redis import MemoryRedis
from tests.support.session.room_pages import RoomPage, room_page, room_rig
from tests.support.session.signaling_rig import SignalingRig

SETTLED = 15.0
"""Seconds after which all nodes agree again, whatever was wrong."""
OVER = StopReason(cause="over")


class RoomNode:
    """One node. `kill` ends it at once: nobody is told, and its pages hear nothing more."""

    def __init__(self, name: str, rig: SignalingRig, redis: MemoryRedis) -> None:
        self.name, self.rig, self.redis = name, rig, redis
        self.here: RoomDirectory = rig.rooms
        self.cluster = Cluster(redis.connect(name), self._parts(), chance=random.Random(1))
        self.rooms = ClusterRooms(self.here, self.cluster.rooms)
        self.control = ClusterRoomControl(self.rooms, self.cluster.rooms, self.cluster.control)
        rig.services = evolve(rig.services, node_id=name, rooms=self.rooms)
        rig.session_prefix = f"{name}-"
        self.scope = trio.CancelScope()

    def _parts(self) -> NodeParts:
        rig = self.rig
        return NodeParts(
            identity=NodeIdentity(node=self.name, place=self.name),
            node_id=self.name,
            node=LocalNode(self.name, rig.supervisor, dict),
            supervisor=rig.supervisor,
            bans=rig.bans,
            data=DataDelivery(self.name, rig.supervisor),
            stream_events=StreamEventDelivery(rig.supervisor),
            drain=LocalDrain(Drain(), self.name),
            settings=rig.settings,
            info=lambda: MemberInfo(node_id=self.name),
            name_in_use=OVER,
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with self.scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.rooms.run)
                await nursery.start(self.cluster.run)
                task_status.started()

    def kill(self) -> None:
        self.scope.cancel()
        self.redis.end_listening(self.name)

    async def page(self, login: str) -> RoomPage:
        """A client that has connected to this node."""
        return await room_page(self.rig, login)


class RoomCluster:
    """Nodes, and what they share."""

    def __init__(self, redis: MemoryRedis, nodes: list[RoomNode]) -> None:
        self.redis, self.nodes = redis, nodes

    def host(self) -> RoomNode:
        """The one node that has the lobby."""
        (node,) = [node for node in self.nodes if not node.scope.cancel_called and len(node.here)]
        return node


@asynccontextmanager
async def room_cluster(*names: str, **settings: object) -> AsyncIterator[RoomCluster]:
    """Nodes of these names that know of each other."""
    redis = MemoryRedis()
    async with AsyncExitStack() as stack:
        nodes = [RoomNode(name, await stack.enter_async_context(room_rig(**settings)), redis) for name in names]
        async with trio.open_nursery() as nursery:
            for node in nodes:
                await nursery.start(node.run)
            await trio.sleep(2 * BEAT_INTERVAL)
            yield RoomCluster(redis, nodes)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
