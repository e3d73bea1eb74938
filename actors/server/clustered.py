"""What makes the server a node of a cluster. Without `cluster.redis_url` there is none, and nothing of it is loaded."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio
from attrs import frozen

from actors.access.control import AccessControl
from actors.media.plane import MediaPlane
from actors.node.bans import Bans
from actors.node.control import LocalNode
from actors.node.drain import Drain
from actors.node.ports.call_control import CallControlPort
from actors.node.ports.data import DataPort, StreamEventPort
from actors.node.ports.drain import LocalDrain
from actors.node.ports.room import RoomControl
from actors.node.supervisor import Supervisor, log_end
from actors.rooms import RoomDirectory, RoomPlaces
from actors.runtime.actor import SHUTDOWN
from actors.storage.app_store import AppStore
from actors.storage.source_store import SourceStore
from actors.storage.state_folder import StateFolder
from actors.stream import Broadcast
from actors.stream.end_reasons import failed
from config.settings import Settings
from protocol.cluster.members import MemberInfo
from protocol.cluster.redis_url import RedisUrl
from protocol.stream.info_texts import StreamInfo

if TYPE_CHECKING:
    from actors.cluster.cluster import Cluster
    from actors.cluster.directory import ClusterDirectory
    from actors.cluster.owned.calls import ClusterCalls
    from actors.cluster.owned.keyed_requests import ClusterRequests
    from actors.cluster.registry.link import ClusterLink
    from actors.cluster.requests.control import ClusterControl
    from actors.relay import Relays
    from actors.rooms.clustered import ClusterRooms


ROOMS_TIMEOUT = 1.0
"""Seconds, at the end of the server, to tell other nodes that members of rooms are gone."""


@frozen
class SharedStores:
    """What all nodes have one of."""

    apps: AppStore
    access: AccessControl
    sources: SourceStore
    bans: Bans


class ClusteredParts:
    """The link to Redis and what stands on it."""

    def __init__(
        self,
        link: ClusterLink,
        cluster: Cluster,
        directory: ClusterDirectory[Broadcast],
        relays: Relays,
        requests: ClusterRequests,
    ) -> None:
        self.cluster, self.directory = cluster, directory
        self.rooms: ClusterRooms | None = None
        self._link = link
        self._calls: ClusterCalls | None = None
        self.relays = relays
        self.requests = requests

    @property
    def control(self) -> ClusterControl:
        """All nodes, for REST."""
        return self.cluster.control

    def share(self, rooms: RoomDirectory) -> tuple[RoomPlaces, RoomControl]:
        """Rooms over all nodes, for sessions and for REST, out of those of this node."""
        from actors.rooms.clustered import ClusterRoomControl, ClusterRooms

        self.rooms = ClusterRooms(rooms, self.cluster.rooms)
        return self.rooms, ClusterRoomControl(self.rooms, self.cluster.rooms, self.cluster.control)

    def calls(self, local: CallControlPort) -> ClusterCalls:
        """Calls of all nodes, for operators, out of those of this node."""
        from actors.cluster.owned.calls import ClusterCalls

        if self._calls is None:
            self._calls = ClusterCalls(local, self.cluster.owners)
        return self._calls

    def statistics(self) -> dict[str, int]:
        """For the server's statistics."""
        return self.cluster.statistics() | ({} if self.rooms is None else self.rooms.statistics())

    async def start(self, services: trio.Nursery) -> None:
        """Run it until cancelled. Returns when this node has joined, or Redis does not answer."""
        services.start_soon(self._run_link)
        await services.start(self.relays.run)
        if self.rooms is not None:
            await services.start(self.rooms.run)
        await services.start(self.cluster.run)

    async def leave(self) -> None:
        """The streams of this node have ended: tell those who play them elsewhere, and give the names back."""
        await self.relays.drain()
        if self.rooms is not None:
            await self.rooms.finish(ROOMS_TIMEOUT)
        await self.cluster.leave()

    def end(self) -> None:
        """The server ends now: nothing is asked of Redis any more."""
        self._link.stop(SHUTDOWN)

    async def _run_link(self) -> None:
        try:
            await self._link.run()
        finally:
            log_end("cluster link", self._link)


def open_cluster(
    settings: Settings,
    state: StateFolder,
    *,
    node: LocalNode,
    node_id: str,
    supervisor: Supervisor,
    data: DataPort,
    stream_events: StreamEventPort,
    info: Callable[[], MemberInfo],
    stores: SharedStores,
    drain: Drain,
    plane: MediaPlane,
) -> ClusteredParts | None:
    """The parts of a cluster; None without one."""
    url = settings.cluster_redis_url
    if url is None:
        return None
    from actors.cluster.cluster import Cluster, NodeParts, identity_of
    from actors.cluster.registry.redis_registry import RedisRegistry

    link = _open_link(url, settings)
    parts = NodeParts(
        identity=identity_of(state.node_id(), state.path),
        node_id=node_id,
        node=node,
        supervisor=supervisor,
        bans=stores.bans,
        data=data,
        stream_events=stream_events,
        drain=LocalDrain(drain, node_id),
        settings=settings,
        info=info,
        name_in_use=failed(StreamInfo.STREAM_NAME_ALREADY_IN_USE),
        rows_path=state.shared_rows_path,
    )
    cluster = Cluster(RedisRegistry(link), parts)
    _share(cluster, stores, drain)
    return _with_relays(link, cluster, settings, plane, node)


def _open_link(url: RedisUrl, settings: Settings) -> ClusterLink:
    from actors.cluster.registry.link import ClusterLink

    tls = ssl.create_default_context(cafile=settings.cluster_redis_ca_file) if url.tls else None
    return ClusterLink(url, timeout=settings.cluster_timeout, tls=tls)


def _share(cluster: Cluster, stores: SharedStores, drain: Drain) -> None:
    from actors.cluster.requests.draining import LONGEST
    from actors.cluster.shared.bans import SharedBans
    from actors.cluster.shared.tables import SharedStore
    from config.tables.rows import ACCOUNT_ROWS, APP_ROWS, SOURCE_ROWS

    SharedStore(cluster.tables, stores.apps, APP_ROWS)
    SharedStore(cluster.tables, stores.access.store, ACCOUNT_ROWS)
    SharedStore(cluster.tables, stores.sources, SOURCE_ROWS)
    SharedBans(cluster.tables, stores.bans)
    stores.access.share(cluster.logins)
    drain.in_cluster(LONGEST, cluster.membership.renew)


def _with_relays(
    link: ClusterLink, cluster: Cluster, settings: Settings, plane: MediaPlane, node: LocalNode
) -> ClusteredParts:
    """The parts, with those that pass streams on between nodes."""
    from actors.cluster.directory import ClusterDirectory
    from actors.cluster.owned.keyed_requests import ClusterRequests
    from actors.relay import Relays, RelayServices

    directory: ClusterDirectory[Broadcast] = ClusterDirectory(cluster.names, cluster)
    services = RelayServices(
        settings=settings,
        legs=plane.relays,
        directory=directory,
        asking=cluster.asking,
        membership=cluster.membership,
        registry=cluster,
    )
    relays = cluster.relays = Relays(services, node.node_id, time.time)
    directory.relays, node.relays = relays.pulls, relays.describe
    return ClusteredParts(link, cluster, directory, relays, ClusterRequests(cluster.owners, cluster.singles))
