"""The parts of a server that are measured, and the statistics that `/?action=stat` shows of them."""

from collections.abc import Callable, Mapping

from attrs import asdict, field, frozen

from actors.calls.all_calls.services import CallServices
from actors.calls.sip.endpoint import SipEndpoint
from actors.capture import Captures
from actors.hooks.dispatcher import HookDispatcher
from actors.media.plane import MediaPlane
from actors.metrics.gc_pauses import GcPauses
from actors.net.certificate import ServerCertificate
from actors.node.bans import Bans
from actors.node.data_delivery import DataDelivery
from actors.node.drain import Drain
from actors.node.supervisor import Supervisor
from actors.rooms import RoomDirectory
from actors.runtime.overload import Overload
from actors.session import FrameDecoder, OutboxPool
from actors.session.gateway import Gateway
from actors.workers.pushing.pushes import Pushes
from actors.workers.recording.recordings import Recordings
from actors.workers.snapshots.snapshots import Snapshots
from protocol.metrics.reload_counts import ReloadCounts
from protocol.metrics.web_counts import WebCounts


@frozen(kw_only=True)
class MeasuredServer:
    """The parts that count something."""

    plane: MediaPlane
    dispatcher: HookDispatcher
    supervisor: Supervisor
    gateway: Gateway
    overload: Overload
    bans: Bans
    data: DataDelivery
    rooms: RoomDirectory
    recordings: Recordings
    snapshots: Snapshots
    pushes: Pushes
    captures: Captures
    drain: Drain
    certificate: ServerCertificate
    reloads: ReloadCounts
    decoder: FrameDecoder
    outboxes: OutboxPool
    access: Callable[[], Mapping[str, int]]
    """The counters of logins and of the audit file."""
    is_ready: Callable[[], bool]
    calls: CallServices | None = None
    """None: there are no calls."""
    sip: SipEndpoint | None = None
    cluster: Callable[[], Mapping[str, int]] | None = None
    """The counters of a node; None without a cluster."""
    relays: Callable[[], Mapping[str, int]] | None = None
    """The counters of streams from and to other nodes; None without a cluster."""
    web: WebCounts = field(factory=WebCounts)
    gc_pauses: GcPauses = field(factory=GcPauses)

    def statistics(self) -> Mapping[str, Mapping[str, int | str]]:
        """The groups of `/?action=stat`, without those of the machine."""
        return {
            "connection": {
                "connections": self.supervisor.session_count,
                "connections_websocket": self.gateway.connection_count,
                "client_memory": self.gateway.client_memory,
            },
            "stream": self._count_streams(),
            "data": asdict(self.data.statistics()),
            "rooms": self.rooms.statistics(),
            "records": self.recordings.statistics(),
            "snapshots": self.snapshots.statistics(),
            "pushes": self.pushes.statistics(),
            "captures": self.captures.statistics(),
            "media": asdict(self.plane.statistics()),
            "hooks": asdict(self.dispatcher.statistics()),
            "load": self.overload.statistics(),
            "access": self.access(),
            "drain": self.drain.statistics(),
            "tls": {"certificate_days_left": self.certificate.days_left},
            **({} if self.cluster is None else {"cluster": self.cluster()}),
            **({} if self.relays is None else {"relays": self.relays()}),
        }

    def _count_streams(self) -> Mapping[str, int]:
        """By the way in which they come and go; captures are no publications of clients."""
        counts = self.supervisor.count_streams()
        clients = max(0, counts["streams_webrtc_in"] - len(self.captures))
        captured = self.captures.count_streams()
        return {**counts, **captured, "streams_webrtc_in": clients, "streams_rtmp_out": len(self.pushes)}
