"""This server as a node of a cluster: all of its parts that the registry and the other nodes concern.

register    the link to Redis, beats, names
hear        requests and reports of other nodes
end         names are given back, the lease too
"""

import hashlib
import random
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import trio
from attrs import frozen

from actors.cluster.balancing import ClusterBalancer
from actors.cluster.hearing import Hearing
from actors.cluster.membership import Membership, NodeIdentity
from actors.cluster.names import ClusterNames
from actors.cluster.owned.owners import Owners
from actors.cluster.registry.registry import Registry, RegistryUnavailable
from actors.cluster.requests.answering import Answering
from actors.cluster.requests.asking import Asking
from actors.cluster.requests.control import ClusterControl
from actors.cluster.requests.data import ClusterData, ClusterEvents
from actors.cluster.requests.draining import ClusterDrain
from actors.cluster.requests.executing import Executor, RelayAnswers
from actors.cluster.rooms.carrier import RoomCarrier
from actors.cluster.shared.events import SharedEvents
from actors.cluster.shared.logins import SharedLogins
from actors.cluster.shared.row_memory import RowMemory
from actors.cluster.shared.tables import SharedTables
from actors.cluster.singles import ClusterSingles
from actors.node.bans import Bans
from actors.node.control import LocalNode
from actors.node.ports.data import DataPort, StreamEventPort
from actors.node.ports.drain import LocalDrain
from actors.node.supervisor import Supervisor
from actors.runtime.actor import StopReason
from actors.runtime.logs import get_logger
from config.settings import RegistryDown, Settings
from protocol.cluster.claims import Holder, Named
from protocol.cluster.members import Beat, Member, MemberInfo
from protocol.cluster.messages import FindStreams, Notice
from protocol.node.filters import StreamFilter
from protocol.stream.statuses import StreamStatus

log = get_logger("cluster")

END_TIMEOUT: Final = 1.0
"""Seconds to give the names back at the end of the server."""


@frozen(kw_only=True)
class NodeParts:
    """What a cluster needs of the server."""

    identity: NodeIdentity
    node_id: str
    node: LocalNode
    supervisor: Supervisor
    bans: Bans
    data: DataPort
    stream_events: StreamEventPort
    drain: LocalDrain
    settings: Settings
    info: Callable[[], MemberInfo]
    name_in_use: StopReason
    """Why a stream ends whose name another node has."""
    rows_path: Path | None = None
    """Where is kept what is known of the shared tables."""
    wall_clock: Callable[[], float] = time.time
    """Counts for what is changed before this node has joined; afterwards it is Redis's clock."""


class Cluster:
    """See above."""

    def __init__(self, registry: Registry, parts: NodeParts, *, chance: random.Random | None = None) -> None:
        settings = self._settings = parts.settings
        self.relays: RelayAnswers | None = None
        """Who passes streams on, once there is somebody."""
        self._registry, self._supervisor, self._name_in_use = registry, parts.supervisor, parts.name_in_use
        self.membership = Membership(registry, parts.identity, parts.info, chance=chance)
        self.names = ClusterNames(
            registry,
            accepts_on_trust=lambda: settings.cluster_registry_down is RegistryDown.ACCEPT,
            timeout=settings.cluster_timeout,
            on_lost=self._end_stream,
            renew=self.membership.renew,
            is_superseded=lambda: self.membership.is_superseded,
        )
        self.tables = SharedTables(
            registry.rows, self.membership, RowMemory(parts.rows_path), wall_clock=parts.wall_clock
        )
        self.logins = SharedLogins(registry, self.tables, self.membership)
        self.events = SharedEvents(registry, self.membership, parts.supervisor.events, parts.node_id)
        self.asking = Asking(registry, self.membership)
        self.rooms = RoomCarrier(registry, self.asking, self.membership, settings)
        timeout = self._answer_timeout
        self.drain = ClusterDrain(parts.drain, self.asking, self.membership, answer_timeout=timeout)
        self.control = ClusterControl(parts.node, self.asking, self.membership, answer_timeout=timeout)
        self.owners = Owners(self.asking, self.membership, self.control, node_id=parts.node_id, answer_timeout=timeout)
        self.answering = Answering(
            registry,
            self.membership,
            executor=self._executor(parts),
            node_id=parts.node_id,
            supervisor=parts.supervisor,
            replies=self.asking,
        )
        self._hear(registry)
        self._face_clients(parts, chance)

    def _executor(self, parts: NodeParts) -> Executor:
        """What this node does for others."""
        return Executor(
            node=parts.node,
            bans=parts.bans,
            data=parts.data,
            stream_events=parts.stream_events,
            drain=self.drain,
            relays=lambda: self.relays,
            rooms=self.rooms.carry_out,
            owned=self.owners.carry_out,
        )

    def _hear(self, registry: Registry) -> None:
        """What is done with beats and with what other nodes say."""
        self.hearing = Hearing(
            registry, self.membership,
            on_message=self.answering.hear, on_open=self._opened, on_gap=self.events.missed,
        )  # fmt: skip
        self.membership.followers += [self.names, self.tables, self.events, self.hearing]
        self.answering.on_notice = self._noticed
        self.membership.on_beat = self._beaten

    def _face_clients(self, parts: NodeParts, chance: random.Random | None) -> None:
        """What REST and pages see of all nodes."""
        timeout = self._answer_timeout
        self.singles = ClusterSingles(self._registry, self.membership, parts.settings)
        self.data = ClusterData(parts.data, self.asking, self.control, answer_timeout=timeout)
        self.stream_events = ClusterEvents(parts.stream_events, self.asking, self.control, answer_timeout=timeout)
        self.balancer = ClusterBalancer(
            self._registry,
            self.membership,
            parts.info,
            chance or random.Random(),  # noqa: S311 - spreads pages over nodes
        )

    def _answer_timeout(self) -> float:
        """Seconds; a reload may change it."""
        return self._settings.cluster_answer_timeout

    # -- life --------------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Be a node until cancelled; it has started when it has joined and hears, or Redis does not answer."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.answering.run)
            nursery.start_soon(self.names.run)
            nursery.start_soon(self.rooms.run)
            nursery.start_soon(self.singles.run)
            await nursery.start(self.membership.run)
            nursery.start_soon(self.hearing.run)
            nursery.start_soon(self.tables.run)
            nursery.start_soon(self.logins.run)
            nursery.start_soon(self.events.run)
            if self.membership.is_up:
                with trio.move_on_after(self._settings.cluster_timeout):
                    await self.hearing.opened.wait()
                    await self.tables.synced.wait()
            task_status.started()

    async def leave(self) -> None:
        """At the end of the server, when its streams have ended."""
        await self.names.flush(END_TIMEOUT)
        await self.rooms.claims.flush(END_TIMEOUT)
        await self.singles.names.flush(END_TIMEOUT)
        with trio.move_on_after(END_TIMEOUT):
            await self.membership.leave()

    def _beaten(self, beat: Beat) -> None:
        self.answering.beaten(beat)
        self.balancer.balancer.beaten()

    def _noticed(self, notice: Notice) -> None:
        if notice.about == Notice.TABLES:
            self.tables.noticed()
        self.logins.hear(notice)
        self.events.hear(notice)

    def statistics(self) -> dict[str, int]:
        """For the server's statistics."""
        view, names = self.membership.view, self.names
        return {
            "cluster_up": int(self.membership.is_up),
            "cluster_nodes": 0 if view is None else len(view.members),
            "cluster_names": 0 if view is None else view.names,
            "cluster_names_here": len(names.table),
            "cluster_names_unconfirmed": names.table.unconfirmed,
            "cluster_names_unreleased": names.table.unreleased,
            "cluster_names_lost": names.lost,
            "cluster_singles_here": len(self.singles),
            "cluster_singles_lost": self.singles.names.lost,
            "cluster_outages": self.membership.outages,
            "cluster_gaps": self.hearing.gaps,
            "cluster_requests": self.asking.asked,
            "cluster_unanswered": self.asking.unanswered,
            "cluster_answered": self.answering.answered,
            "cluster_caught_up": self.answering.caught_up,
            "cluster_refused": self.answering.refused,
            "cluster_rows_unsent": self.tables.copy.unsent,
            "cluster_row_conflicts": self.tables.conflicts,
            "cluster_repeated": self.asking.repeated,
            "cluster_placed": self.balancer.balancer.placed,
        }

    def members(self) -> tuple[Member, ...]:
        """All members alive, as far as this node knows, this one included."""
        return () if self.membership.view is None else tuple(self.membership.view.members.values())

    @property
    def hindrance(self) -> str | None:
        """In a word, why no page is to be sent here although this node serves; None: nothing hinders."""
        if self.membership.is_superseded:
            return "superseded"
        return "unheard" if self.hearing.is_deaf else None

    def faults(self) -> Iterator[str]:
        """What does not work."""
        if not self.membership.is_up:
            yield "Redis does not answer"
        elif self.hearing.is_deaf:
            yield "Redis does not let this node hear the others"

    def _opened(self) -> None:
        """What was missed until now is in the log, and the next beat tells so.

        A Redis that has started again, or another one in its place, may not have the latest changes.
        """
        if self.hearing.gaps:
            self.tables.doubt()
            self.names.doubt()
            self.rooms.claims.doubt()
            self.singles.names.doubt()
        self.membership.renew()

    # -- for the directory -------------------------------------------------------------------------

    async def locate(self, name: str) -> Holder | None:
        """The other member that holds `name`. Raises RegistryUnavailable."""
        if not self.membership.is_up:
            raise RegistryUnavailable("Redis did not answer the last time")
        holder = await self._registry.locate(name)
        return None if holder is None or holder.member == self.membership.member else holder

    async def is_playing(self, holder: Holder, name: str) -> bool:
        """Whether that member has media under this name."""
        query = StreamFilter(name=name, published=True, status=StreamStatus.PUBLISHING)
        timeout = self._settings.cluster_answer_timeout
        reply = await self.asking.ask_one(holder.member, FindStreams(filter=query, limit=0), timeout=timeout)
        return reply is not None and reply.count > 0

    def _end_stream(self, named: Named, holder: Holder) -> None:
        """The registry says that the name is another node's."""
        query = StreamFilter(media_session_ids=frozenset((named.media_session_id,)))
        for stream in self._supervisor.matching(query):
            stream.stop(self._name_in_use)


def identity_of(node: str, state_folder: Path) -> NodeIdentity:
    """The node whose state folder this is, on this machine."""
    where = f"{socket.gethostname()} {_machine_id()} {state_folder.resolve()}"
    return NodeIdentity(node=node, place=hashlib.sha256(where.encode()).hexdigest()[:32])


def _machine_id() -> str:
    try:
        return Path("/etc/machine-id").read_text("ascii", errors="replace").strip()
    except OSError:
        return ""
