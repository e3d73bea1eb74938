"""What one node has and REST acts on, whichever node is asked: pictures, recordings and calls."""

from __future__ import annotations

from attrs import frozen

from actors.node.ports.call_control import CallControlPort
from actors.node.ports.recorder import RecorderPort
from actors.node.ports.snapshot import SnapshotPort
from actors.server.parts import Parts


@frozen(kw_only=True)
class OwnedPorts:
    """See above."""

    recorder: RecorderPort
    snapshots: SnapshotPort
    calls: CallControlPort | None
    """None: there are no calls here."""

    @classmethod
    def of(cls, parts: Parts, recorder: RecorderPort) -> OwnedPorts:
        """Those of this node; in a cluster those of all nodes, which then also ask this one."""
        calls = parts.all_calls
        if parts.clustered is None:
            return cls(recorder=recorder, snapshots=parts.stream_snapshots, calls=calls)
        from actors.cluster.owned_media import ClusterRecorder, ClusterSnapshots

        owners, pictures = parts.clustered.cluster.owners, parts.stream_snapshots
        return cls(
            recorder=ClusterRecorder(recorder, owners),
            snapshots=ClusterSnapshots(pictures, owners, timeout=lambda: pictures.snapshots.timeout),
            calls=calls,
        )
