"""What one node has and REST acts on, whichever node is asked: pictures, recordings, pushes, captures, calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve, frozen

from actors.node.ports.call_control import CallControlPort
from actors.node.ports.call_order import CallOrderPort
from actors.node.ports.capture import CapturePort
from actors.node.ports.push import PushPort
from actors.node.ports.recorder import RecorderPort, RecordGroupPort
from actors.node.ports.snapshot import SnapshotPort
from actors.node.ports.whip import WhipPort
from actors.server.call_orders import open_call_orders
from actors.server.parts import Parts
from actors.stream.pusher import StreamPusher
from actors.stream.recorder import StreamRecorder
from actors.whip import WhipSessions
from protocol.node.node_marks import node_mark

if TYPE_CHECKING:
    from actors.server.clustered import ClusteredParts


@frozen(kw_only=True)
class OwnedPorts:
    """See above."""

    recorder: RecorderPort
    groups: RecordGroupPort
    snapshots: SnapshotPort
    pusher: PushPort
    captures: CapturePort
    whip: WhipPort
    calls: CallControlPort | None
    """None: there are no calls here."""
    call_orders: CallOrderPort | None

    @classmethod
    def of(cls, parts: Parts) -> OwnedPorts:
        """Those of this node; in a cluster those of all nodes, which then also ask this one."""
        recorder = StreamRecorder(parts.supervisor, parts.recordings, parts.record_groups)
        pusher = StreamPusher(parts.supervisor, parts.pushes)
        whip = WhipSessions(parts.sessions, mark="" if parts.clustered is None else node_mark(parts.node_id))
        call_orders = open_call_orders(parts)
        here = cls(
            recorder=recorder,
            groups=recorder,
            snapshots=parts.stream_snapshots,
            pusher=pusher,
            captures=parts.captures,
            whip=whip,
            calls=parts.call_control,
            call_orders=call_orders,
        )
        if parts.clustered is None:
            return here
        return _of_all(here, recorder, pusher, whip, parts, parts.clustered)


def _of_all(
    here: OwnedPorts,
    recorder: StreamRecorder,
    pusher: StreamPusher,
    whip: WhipSessions,
    parts: Parts,
    clustered: ClusteredParts,
) -> OwnedPorts:
    from actors.cluster.owned.captures import ClusterCaptures
    from actors.cluster.owned.media import ClusterRecorder, ClusterSnapshots
    from actors.cluster.owned.pushes import ClusterPushes
    from actors.cluster.owned.record_groups import ClusterRecordGroups
    from actors.cluster.owned.whip import ClusterWhip

    owners, settings, pictures = clustered.cluster.owners, parts.settings, parts.stream_snapshots

    def open_wait() -> float:
        return settings.capture_connect_timeout + settings.capture_read_timeout

    return evolve(
        _with_calls(here, clustered),
        recorder=ClusterRecorder(recorder, owners),
        groups=ClusterRecordGroups(recorder, owners, clustered.cluster.singles),
        snapshots=ClusterSnapshots(pictures, owners, timeout=lambda: pictures.snapshots.timeout),
        pusher=ClusterPushes(pusher, owners),
        captures=ClusterCaptures(
            parts.captures, owners, clustered.cluster.singles, node_id=parts.node_id, open_wait=open_wait
        ),
        whip=ClusterWhip(whip, owners),
    )


def _with_calls(here: OwnedPorts, clustered: ClusteredParts) -> OwnedPorts:
    if here.calls is None or here.call_orders is None:
        return here
    from actors.cluster.owned.call_orders import ClusterCallOrders

    calls = clustered.calls(here.calls)
    orders = ClusterCallOrders(here.call_orders, calls, clustered.cluster.owners)
    return evolve(here, calls=calls, call_orders=orders)
