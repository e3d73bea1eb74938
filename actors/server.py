"""Assembles the server: how its parts are connected, and the order in which they start and stop.

    services    media plane, hook dispatcher, operator's socket, web
    signalling  supervisor (all sessions and streams), gateway

Shutdown goes from the outside in: stop listening; end sessions and their streams, and notify their clients; send the
hooks that are still queued; then stop the rest. One time limit (`shutdown_timeout`) covers all of it; when it passes,
the log names what is left. A service that crashes takes the server down with it.
"""

import math
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import trio

from actors.access.opening import open_access
from actors.events.app_changes import report_app_changes
from actors.events.event_log import EventLog
from actors.events.reported_reload import ReportedReload
from actors.hooks.dispatcher import open_dispatcher
from actors.hooks.server_status import ServerStatusCalls
from actors.hooks.spool import open_spool
from actors.media.io.sockets import open_media_sockets
from actors.media.plane import MediaPlane
from actors.media.sending.sender_choice import choose_sender
from actors.media.tcp.listeners import open_media_listeners
from actors.metrics.drop_watch import watch_media_drops
from actors.metrics.left_over import tell_what_is_left
from actors.metrics.measured import MeasuredServer
from actors.metrics.overview import Overview
from actors.metrics.sources import metrics_of
from actors.net.certificate import ServerCertificate
from actors.net.server_listeners import ServerListeners, shown_address
from actors.net.tcp_listeners import ListenerError
from actors.node.bans import load_bans
from actors.node.control import LocalNode
from actors.node.data_delivery import DataDelivery
from actors.node.data_port import MessagePorts
from actors.node.directory import Directory
from actors.node.drain import Drain
from actors.node.supervisor import Running, Supervisor, log_end
from actors.operator.app_desk import app_desk
from actors.operator.desk import CommandDesk
from actors.operator.desk_assembly import make_desk
from actors.operator.live import LiveCommands
from actors.operator.server import OperatorSocketError, serve_operator
from actors.operator.ssh_service import SshService
from actors.rooms import RoomDirectory, RoomServices
from actors.runtime.actor import SHUTDOWN
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.runtime.overload import Overload
from actors.session import FrameDecoder, OutboxPool, Session, SessionServices, VideoRates, video_rate_pages
from actors.session.debug_reports import DebugReports
from actors.session.gateway import Endpoint, Gateway
from actors.storage.app_store import open_app_store
from actors.storage.reload import Reloader, no_reload
from actors.storage.report_folder import ReportFolder
from actors.storage.run_record import RunRecord
from actors.storage.state_folder import StateFolder, StateFolderError
from actors.storage.table_store import TableStoreError
from actors.stream import Broadcast, Stream, StreamServices
from actors.stream.event_delivery import StreamEventDelivery
from actors.stream.keep_alive_schedule import StreamKeepAlive
from actors.stream.recorder import StreamRecorder
from actors.web.api.administration import AdminResource
from actors.web.api.health import Readiness
from actors.web.api.monitoring import Monitoring
from actors.web.api.start_page import PageInfo
from actors.web.app import create_app
from actors.web.public_app import create_public_app
from actors.web.sites import serve_sites
from actors.whip import WhipSessions
from actors.workers.recordings import Recordings
from config.accounts_file import AccountFileError
from config.apps_file import AppFileError
from config.live import follow
from config.loading import Given
from config.settings import Settings
from config.version import VERSION
from protocol.metrics.actor_counts import ActorCounts
from protocol.metrics.hook_counts import HookCounts
from protocol.metrics.labels import AppLabels
from protocol.node.server_state import ServerState

log = get_logger("server")

AUDIT_FLUSH_TIMEOUT = 2.0
"""Seconds to write the last lines of the audit file."""


class CannotStart(Exception):
    """The server cannot run here; the text explains why to the operator."""


class Server:
    """All parts of one server. The constructor opens every socket, or raises CannotStart."""

    def __init__(self, settings: Settings, state: StateFolder, reloader: Reloader | None = None) -> None:
        self._settings, self._state = settings, state
        self._given: Callable[[], Mapping[str, Given]] = dict if reloader is None else lambda: reloader.given
        self._asked_to_close, self._web_closing = trio.Event(), trio.Event()
        self._shutdown_scope = trio.CancelScope()
        self._sparing = RateLimitedLog(log, clock=trio.current_time)
        with _explained():
            self._apps = open_app_store(state.apps_path)
            self._access, self._audit_writer = open_access(settings, state)
            self._bans = load_bans(state.bans_path)
            self.certificate = ServerCertificate(*_certificate(settings, state))
            self._tls = self.certificate.context(protocols=["http/1.1"])
            self._https = self.certificate.context(protocols=["http/1.1"], client_ca=settings.https_client_ca)
            self._run_record = RunRecord(state.run_record_path)
            labels, events = AppLabels(self._apps.has_key), EventLog()
            self._apps.on_change = partial(report_app_changes, events)
            self.reload = ReportedReload(reloader.reload if reloader is not None else no_reload, events)
            spool = open_spool(settings, state.spool_path, events)
            self._dispatcher = open_dispatcher(settings, self._apps, HookCounts(labels), events, spool)
            self._listeners = ServerListeners(settings)
            media = open_media_sockets(settings)
            by_tcp = open_media_listeners(settings, media)
        self.node_id = f"{state.node_id()}@{media[0].advertised[0][0]}"
        self._plane = MediaPlane(media, settings, sender=choose_sender(settings.media_sender), listeners=by_tcp)
        self._overload = Overload(settings.overload_max_loop_lag)
        self._outboxes = OutboxPool(settings.max_outbox_total, on_overflow=self._tell_overflow)
        self._decoder = FrameDecoder(settings.ws_max_frame_elements)
        self._supervisor = Supervisor(ActorCounts(labels), events, self._run_record)
        self._drain = Drain(self._supervisor, events)
        self._directory: Directory[Broadcast] = Directory()
        self._recordings = Recordings(settings, state.records_path, time.time)
        self._debug_reports = DebugReports(settings, ReportFolder(state.debug_path), time.time)
        self._rooms = _room_directory(self.node_id, settings, self._supervisor)
        self._services = self._session_services()
        self._gateway = self._make_gateway()
        self._data = DataDelivery(self.node_id, self._supervisor)
        self.measured = _measured(self)
        self.metrics, self.events = metrics_of(self.measured), self._supervisor.events
        self._node = LocalNode(self.node_id, self._supervisor, self.measured.statistics)
        follow(settings, self._adopt)

    def _adopt(self, settings: Settings) -> None:
        self.certificate.use(*_certificate(settings, self._state))
        self._overload.limit = settings.overload_max_loop_lag
        self._outboxes.limit = settings.max_outbox_total
        self._decoder.max_elements = settings.ws_max_frame_elements
        self._access.decide()

    # -- life --------------------------------------------------------------------------------------

    @property
    def is_closing(self) -> bool:
        return self._asked_to_close.is_set()

    async def until_closing(self) -> None:
        """Wait for the beginning of the shutdown."""
        await self._asked_to_close.wait()

    def close(self) -> None:
        """Start the shutdown; `run` returns when it is done."""
        self._drain.stop()
        self._run_record.freeze()
        self._asked_to_close.set()

    def drain_before_end(self, *, by: str) -> bool:
        """Drain, and then close, if `shutdown_drain_timeout` says so; false if not, or if this was asked before."""
        return self._drain.begin_last(self._settings.shutdown_drain_timeout, by=by)

    def abort(self) -> None:
        """After `close`: stop waiting for anything."""
        self._supervisor.abort()
        self._dispatcher.stop(SHUTDOWN)
        self._shutdown_scope.cancel()

    async def run(self, *, on_ready: Callable[["Server"], None]) -> None:
        """Serve until `close`; `on_ready` is called once every listener is served."""
        self.measured.gc_pauses.start()
        try:
            await self._serve(on_ready)
            if not self._shutdown_scope.cancel_called:
                self._run_record.end()
        finally:
            self.measured.gc_pauses.stop()
            self._audit_writer.close(AUDIT_FLUSH_TIMEOUT)
        log.info("stopped")

    async def _serve(self, on_ready: Callable[["Server"], None]) -> None:
        with self._shutdown_scope:
            async with trio.open_nursery() as services:
                services.start_soon(self._limit_shutdown)
                await self._start_services(services)
                async with trio.open_nursery() as web:
                    web.start_soon(self._serve_web)
                    await self._serve_signalling(on_ready)
                    await self._recordings.drain()
                    await self._debug_reports.drain()
                    await self._dispatcher.drain(math.inf)
                    self._dispatcher.stop(SHUTDOWN)
                    self._web_closing.set()
                services.cancel_scope.cancel()

    async def _limit_shutdown(self) -> None:
        await self._asked_to_close.wait()
        await trio.sleep(self._settings.shutdown_timeout)
        tell_what_is_left(self._supervisor, self._dispatcher)
        self.abort()

    async def _start_services(self, services: trio.Nursery) -> None:
        services.start_soon(self._overload.run)
        services.start_soon(self._close_after_drain)
        services.start_soon(self.certificate.run)
        services.start_soon(self._plane.run)
        await services.start(self._recordings.run)
        services.start_soon(self._access.run)
        services.start_soon(self._debug_reports.run)
        services.start_soon(_run_actor, "hook dispatcher", self._dispatcher)
        try:
            services.start_soon(SshService(self._listeners.ssh, self._state).run)
            await services.start(serve_operator, self._state.socket_path, self._command_desk())
        except (OperatorSocketError, StateFolderError) as error:
            raise CannotStart(str(error)) from error
        services.start_soon(self._run_record.run)
        services.start_soon(watch_media_drops, self._plane, self._supervisor.events)
        services.start_soon(VideoRates(self._settings, partial(video_rate_pages, self._supervisor)).run)

    async def _serve_signalling(self, on_ready: Callable[["Server"], None]) -> None:
        async with trio.open_nursery() as signalling:
            await signalling.start(self._supervisor.run)
            await signalling.start(self._gateway.run)
            keep_alive = StreamKeepAlive(self._settings, partial(_live_streams, self._supervisor))
            signalling.start_soon(_run_actor, "stream keep-alive", keep_alive)
            self._drain.serve()
            calls = ServerStatusCalls(self._dispatcher, self._apps.all, self.node_id, self._run_record.previous)
            signalling.start_soon(calls.run, self._asked_to_close)
            on_ready(self)
            await self._asked_to_close.wait()
            keep_alive.stop(SHUTDOWN)
            self._gateway.close()
            self._supervisor.close(SHUTDOWN)

    async def _close_after_drain(self) -> None:
        await self._drain.run()
        log.info("shutting down", cause="the drain is over")
        self.close()

    async def _serve_web(self) -> None:
        whip = WhipSessions(self._services)
        page_info = PageInfo(version=VERSION, ws=self._listeners.bound("ws"), wss=self._listeners.bound("wss"))
        rest = create_app(
            self._node,
            self._settings,
            access=self._access,
            messages=MessagePorts(
                data=self._data, stream_events=StreamEventDelivery(self._supervisor), rooms=self._rooms
            ),
            page_info=page_info,
            ready=self._readiness,
            bans=self._bans,
            admin=AdminResource(self._drain, self.reload),
            monitoring=self._monitoring(),
            whip=whip,
            recorder=StreamRecorder(self._supervisor, self._recordings),
            apps=app_desk(self._apps, self._settings, self.node_id),
            debug_reports=self._debug_reports.folder,
        )
        public = create_public_app(self._settings, whip=whip, page_info=page_info, counts=self.metrics.web)
        tls = {"https": self._https, "public_https": self._tls}
        await serve_sites(rest, public, self._listeners, tls, self._settings, self._web_closing, self.metrics.web)

    def _monitoring(self) -> Monitoring:
        return Monitoring(
            metrics=self.metrics,
            events=self.events,
            calls=self._dispatcher.sender.recent,
            overview=Overview(self.measured),
            apps=self._apps.all,
            settings=self._given,
        )

    # -- parts -------------------------------------------------------------------------------------

    def _command_desk(self) -> CommandDesk:
        live = LiveCommands(
            node=self._node, rooms=self._rooms, bans=self._bans, settings=self._settings, events=self.events
        )
        return make_desk(
            self._apps, self._access, live, self.measured, self.node_id, self.reload, lambda: self.start_page
        )

    def _session_services(self) -> SessionServices:
        return SessionServices(
            outboxes=self._outboxes,
            node_id=self.node_id,
            dispatcher=self._dispatcher,
            apps=self._apps,
            rooms=self._rooms,
            streams=StreamServices(
                plane=self._plane,
                directory=self._directory,
                supervisor=self._supervisor,
                settings=self._settings,
                wall_clock=time.time,
                overload=self._overload,
                recordings=self._recordings,
                bans=self._bans,
                drain=self._drain,
            ),
            debug_reports=self._debug_reports,
            make_token=lambda: secrets.token_urlsafe(24),
            decoder=self._decoder,
        )

    def _make_gateway(self) -> Gateway:
        doors = [Endpoint(listener=self._listeners["ws"]), Endpoint(listener=self._listeners["wss"], tls=self._tls)]
        return Gateway(
            doors,
            supervisor=self._supervisor,
            make_session=partial(Session, services=self._services),
            settings=self._settings,
            overload=self._overload,
            admission=self._services.admission,
        )

    def _tell_overflow(self) -> None:
        self._sparing.warning("a client that does not read is dropped for all others", limit="max_outbox_total")

    def _readiness(self) -> Readiness:
        return Readiness(missing=() if self._drain.state is ServerState.SERVING else (self._drain.state,))

    # -- what others are told ----------------------------------------------------------------------

    @property
    def ready_line(self) -> str:
        """Every address as actually bound."""
        media = ",".join(map(shown_address, self._plane.addresses))
        return f"wcsd ready {self._listeners.ready_words} media={media}{self._listeners.public_words}"

    @property
    def start_page(self) -> str:
        """The address of the start page, for people: https where http is open to the network."""
        return self._listeners.start_page


@contextmanager
def _explained() -> Iterator[None]:
    """What keeps the server from starting, as CannotStart."""
    try:
        yield
    except (ListenerError, AppFileError, AccountFileError, TableStoreError, ValueError) as error:
        raise CannotStart(str(error)) from error
    except OSError as error:
        raise CannotStart(str(error) if error.filename else error.strerror or str(error)) from error


def _live_streams(supervisor: Supervisor) -> Iterator[Stream]:
    return (stream for stream in supervisor.live_streams() if isinstance(stream, Stream))


def _measured(server: Server) -> MeasuredServer:
    return MeasuredServer(
        plane=server._plane,
        dispatcher=server._dispatcher,
        supervisor=server._supervisor,
        gateway=server._gateway,
        overload=server._overload,
        bans=server._bans,
        data=server._data,
        rooms=server._rooms,
        recordings=server._recordings,
        drain=server._drain,
        certificate=server.certificate,
        reloads=server.reload.counts,
        decoder=server._decoder,
        outboxes=server._outboxes,
        access=lambda: {**server._access.statistics(), "audit_lost": server._audit_writer.lost},
        is_ready=lambda: server._readiness().ready,
    )


async def _run_actor(kind: str, actor: Running) -> None:
    """Run an actor that the server cannot do without: if it crashes, so does the server."""
    try:
        await actor.run()
    finally:
        log_end(kind, actor)


def _room_directory(node_id: str, settings: Settings, supervisor: Supervisor) -> RoomDirectory:
    return RoomDirectory(RoomServices(node_id=node_id, settings=settings, wall_clock=time.time), supervisor)


def _certificate(settings: Settings, state: StateFolder) -> tuple[Path, Path]:
    if settings.wss_cert is not None and settings.wss_key is not None:
        return settings.wss_cert, settings.wss_key
    return state.certificate()
