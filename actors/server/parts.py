"""All parts of the server, and what each is given of the others."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import psutil
import trio

from actors.calls.by_rest.call_control import CallControl
from actors.capture import Captures, CaptureServices
from actors.events.app_changes import report_app_changes
from actors.events.reported_reload import ReportedReload
from actors.metrics.measured import MeasuredServer
from actors.metrics.sources import metrics_of
from actors.net.network_interfaces import machine_addresses
from actors.node.control import Counters, LocalNode
from actors.node.data_delivery import DataDelivery
from actors.node.directory import Directory
from actors.node.drain import Drain
from actors.node.ports.call_control import CallControlPort
from actors.node.ports.control import NodeControl
from actors.node.ports.drain import DrainPort, LocalDrain
from actors.node.ports.room import RoomControl
from actors.node.supervisor import Supervisor
from actors.operator.commands.desk import CommandDesk
from actors.operator.commands.desk_assembly import make_desk
from actors.operator.commands.live import LiveCommands
from actors.rooms import RoomDirectory, RoomPlaces, RoomServices
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.runtime.overload import Overload
from actors.server.calls import call_control, open_call_desk, open_parking, open_sip
from actors.server.clustered import ClusteredParts, SharedStores, open_cluster
from actors.server.condition import Condition
from actors.server.opening import Opened, certificate_files
from actors.session import FrameDecoder, OutboxPool, Session, SessionServices
from actors.session.gateway import Endpoint, Gateway
from actors.session.requests.debug_reports import DebugReports
from actors.settings.reload import Reloader, reload_by
from actors.storage.report_folder import ReportFolder
from actors.storage.state_folder import StateFolder
from actors.stream import Broadcast, StreamServices
from actors.stream.event_delivery import StreamEventDelivery
from actors.stream.snapshots import StreamSnapshots
from actors.workers.capturing.source_access import SourceAccess
from actors.workers.pushing.pushes import Pushes
from actors.workers.recording.record_groups import RecordGroups
from actors.workers.recording.recordings import Recordings
from actors.workers.snapshots.snapshots import Snapshots
from config.live import follow
from config.loading import Given
from config.settings import Settings
from config.version import VERSION
from protocol.cluster.members import MemberInfo
from protocol.metrics.actor_counts import ActorCounts

log = get_logger("server")


class Parts:
    """See above. Raises CannotStart."""

    def __init__(
        self, settings: Settings, state: StateFolder, reloader: Reloader | None, *, node: int | None = None
    ) -> None:
        self.settings, self.state = settings, state
        self.given: Callable[[], Mapping[str, Given]] = dict if reloader is None else lambda: reloader.given
        opened = self.opened = Opened(settings, state, node=node)
        self.node_id, self.plane, self.dispatcher = opened.node_id, opened.plane, opened.dispatcher
        opened.apps.on_change = partial(report_app_changes, opened.events)
        self.reload = ReportedReload(reload_by(reloader), opened.events, opened.access.requires_login)
        self.overload = Overload(settings.overload_max_loop_lag)
        self.decoder = FrameDecoder(settings.ws_max_frame_elements)
        self.supervisor = Supervisor(ActorCounts(opened.labels), opened.events, opened.run_record)
        self.outboxes = OutboxPool(settings.max_outbox_total, self.supervisor.turns, on_overflow=self._tell_overflow)
        self.drain = Drain(self.supervisor, opened.events)
        self._process, self._started = psutil.Process(), time.time()
        self.local = LocalNode(self.node_id, self.supervisor, self._statistics)
        self.data = DataDelivery(self.node_id, self.supervisor)
        self.stream_events = StreamEventDelivery(self.supervisor)
        self.clustered = self._open_cluster()
        self.directory: Directory[Broadcast] = Directory() if self.clustered is None else self.clustered.directory
        self.recordings = Recordings(settings, state.records_path, time.time, beside=opened.beside)
        self.record_groups = RecordGroups(self.recordings, settings, time.time)
        self.snapshots = Snapshots(settings, self.recordings.services)
        self.stream_snapshots = StreamSnapshots(
            snapshots=self.snapshots, directory=self.directory, plane=self.plane, supervisor=self.supervisor
        )
        self.pushes = Pushes(settings, state.sounds_path, self.overload, self._may_push_to, self.recordings.services)
        self.captures = self._captures()
        self.sip = open_sip(opened.sip_sockets, settings, self._own_addresses)
        self.debug_reports = DebugReports(settings, ReportFolder(state.debug_path, beside=opened.beside), time.time)
        room_services = RoomServices(node_id=self.node_id, settings=settings, wall_clock=time.time)
        self.rooms = RoomDirectory(room_services, self.supervisor)
        self.room_places, self.room_control = self._shared_rooms()
        self.sessions = self._session_services()
        self.gateway = self._make_gateway()
        self.measured = self._measured()
        self.metrics = metrics_of(self.measured)
        self.node: NodeControl = self.local if self.clustered is None else self.clustered.control
        self._sparing = RateLimitedLog(log, clock=trio.current_time)
        follow(settings, self._adopt)

    @property
    def condition(self) -> Condition:
        """Whether clients are to be sent here."""
        return Condition(self.drain, self.clustered, self.opened.host_nodes)

    def command_desk(self) -> CommandDesk:
        """Answers the operator's commands."""
        live = LiveCommands(
            node=self.node,
            rooms=self.room_control,
            calls=self.all_calls,
            bans=self.opened.bans,
            settings=self.settings,
            events=self.supervisor.events,
        )
        start_page = self.opened.listeners.start_page
        return make_desk(
            apps=self.opened.apps,
            access=self.opened.access,
            live=live,
            parts=self.measured,
            node_id=self.node_id,
            reload=self.reload,
            page_url=lambda: start_page,
            sources=self.opened.sources,
            drains=self.drains,
            other_nodes=self._other_nodes,
            degraded=self.condition.degraded,
        )

    @property
    def call_control(self) -> CallControl | None:
        """What operators do to calls; None while SIP is off."""
        return call_control(self.sessions.calls, self.sip, self.supervisor)

    @property
    def all_calls(self) -> CallControlPort | None:
        """The same for all nodes of a cluster."""
        local = self.call_control
        return local if local is None or self.clustered is None else self.clustered.calls(local)

    @property
    def drains(self) -> DrainPort:
        """Drains this node, or another one of the cluster."""
        return LocalDrain(self.drain, self.node_id) if self.clustered is None else self.clustered.cluster.drain

    def nodes(self) -> tuple[MemberInfo, ...]:
        """All nodes of the cluster, as each told of itself last; none without one."""
        members = () if self.clustered is None else self.clustered.cluster.members()
        return tuple(sorted((each.info for each in members), key=lambda info: info.node_id))

    def _other_nodes(self) -> Iterator[MemberInfo]:
        """The other nodes of the cluster, if there is one."""
        cluster = None if self.clustered is None else self.clustered.cluster
        if cluster is not None and cluster.membership.view is not None:
            yield from (member.info for member in cluster.membership.view.others)

    def _statistics(self) -> Counters:
        return self.measured.statistics()

    # -- inside ------------------------------------------------------------------------------------

    def _open_cluster(self) -> ClusteredParts | None:
        return open_cluster(
            self.settings,
            self.state,
            node=self.local,
            node_id=self.node_id,
            supervisor=self.supervisor,
            data=self.data,
            stream_events=self.stream_events,
            info=self._member_info,
            stores=SharedStores(self.opened.apps, self.opened.access, self.opened.sources, self.opened.bans),
            drain=self.drain,
            plane=self.plane,
        )

    def _shared_rooms(self) -> tuple[RoomPlaces, RoomControl]:
        """Rooms as sessions and REST see them."""
        return (self.rooms, self.rooms) if self.clustered is None else self.clustered.share(self.rooms)

    def _member_info(self) -> MemberInfo:
        """What the other nodes of a cluster are told of this one with each beat."""
        listeners = self.opened.listeners
        return MemberInfo(
            node_id=self.node_id,
            version=VERSION,
            state=self.condition.state,
            host=self.settings.cluster_address or self.node_id.partition("@")[2],
            ws=listeners.bound("ws")[1],
            wss=listeners.bound("wss")[1],
            started=self._started,
            publications=self.supervisor.stream_counts[0],
            viewers=self.supervisor.stream_counts[1],
            sessions=self.supervisor.session_count,
            relays=0 if self.clustered is None else self.clustered.relays.statistics()["relay_streams_in"],
            load=self._process.cpu_percent() / 100,
        )

    def _session_services(self) -> SessionServices:
        streams = self._stream_services()
        return SessionServices(
            outboxes=self.outboxes,
            node_id=self.node_id,
            dispatcher=self.dispatcher,
            apps=self.opened.apps,
            rooms=self.room_places,
            streams=streams,
            calls=open_call_desk(self.sip, streams),
            parking=None if self.sip is None else open_parking(streams, self.local),
            debug_reports=self.debug_reports,
            make_token=lambda: secrets.token_urlsafe(24),
            decoder=self.decoder,
        )

    def _stream_services(self) -> StreamServices:
        return StreamServices(
            plane=self.plane,
            directory=self.directory,
            supervisor=self.supervisor,
            settings=self.settings,
            wall_clock=time.time,
            overload=self.overload,
            recordings=self.recordings,
            snapshots=self.stream_snapshots,
            pushes=self.pushes,
            captures=self.captures,
            bans=self.opened.bans,
            drain=self.drain,
        )

    def _captures(self) -> Captures:
        services = CaptureServices(
            node_id=self.node_id,
            settings=self.settings,
            dispatcher=self.dispatcher,
            apps=self.opened.apps,
            feeds=self.plane.feeds,
            vod_folder=self.state.media_path,
            access=SourceAccess(lambda: self.settings.capture_allow, own=self._own_addresses),
            sources=self.opened.sources,
        )
        return Captures(services, self.recordings.services)

    def _make_gateway(self) -> Gateway:
        listeners = self.opened.listeners
        return Gateway(
            [Endpoint(listener=listeners["ws"]), Endpoint(listener=listeners["wss"], tls=self.opened.tls)],
            supervisor=self.supervisor,
            make_session=partial(Session, services=self.sessions),
            settings=self.settings,
            overload=self.overload,
            admission=self.sessions.admission,
        )

    def _measured(self) -> MeasuredServer:
        access, audit = self.opened.access, self.opened.audit_writer
        return MeasuredServer(
            plane=self.plane,
            dispatcher=self.dispatcher,
            supervisor=self.supervisor,
            gateway=self.gateway,
            overload=self.overload,
            bans=self.opened.bans,
            data=self.data,
            rooms=self.rooms,
            recordings=self.recordings,
            snapshots=self.snapshots,
            pushes=self.pushes,
            captures=self.captures,
            calls=None if self.sessions.calls is None else self.sessions.calls.services,
            sip=self.sip,
            drain=self.drain,
            certificate=self.opened.certificate,
            reloads=self.reload.counts,
            decoder=self.decoder,
            outboxes=self.outboxes,
            access=lambda: {**access.statistics(), "audit_lost": audit.lost},
            is_ready=lambda: self.condition.readiness().ready,
            cluster=None if self.clustered is None else self.clustered.statistics,
            relays=None if self.clustered is None else self.clustered.relays.statistics,
        )

    def _may_push_to(self, host: str, address: str) -> bool:
        """Where pages may have their streams pushed to."""
        return self.settings.push_allow.allows(host, address, self._own_addresses())

    def _own_addresses(self) -> set[str]:
        """Those of this machine, and those under which peers know it."""
        return {*machine_addresses(), *(address for address, _ in self.plane.addresses)}

    def _adopt(self, settings: Settings) -> None:
        self.opened.certificate.use(*certificate_files(settings, self.state))
        self.overload.limit = settings.overload_max_loop_lag
        self.outboxes.limit = settings.max_outbox_total
        self.decoder.max_elements = settings.ws_max_frame_elements
        self.opened.access.decide()

    def _tell_overflow(self) -> None:
        self._sparing.warning("a client that does not read is dropped for all others", limit="max_outbox_total")
