"""The order in which the server's parts start and stop.

    services    media plane, hook dispatcher, operator's socket, web
    signalling  supervisor (all sessions and streams), gateway

Shutdown goes from the outside in: stop listening; end sessions and their streams, and notify their clients; send the
hooks that are still queued; then stop the rest. One time limit (`shutdown_timeout`) covers all of it; when it passes,
the log names what is left. A service that crashes takes the server down with it.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import cast

import trio

from actors.hooks.server_status import ServerStatusCalls
from actors.metrics.drop_watch import watch_media_drops
from actors.metrics.left_over import tell_what_is_left
from actors.net.server_listeners import shown_address
from actors.node.supervisor import Running, Supervisor, log_end
from actors.operator.server import OperatorSocketError, serve_operator
from actors.operator.ssh.service import SshService
from actors.runtime.actor import SHUTDOWN
from actors.runtime.logs import get_logger
from actors.server.opening import CannotStart
from actors.server.parts import Parts
from actors.server.web import serve_web
from actors.session import VideoRates, video_rate_pages
from actors.settings.reload import Reloader
from actors.storage.state_folder import StateFolder, StateFolderError
from actors.stream import Stream
from actors.stream.keep_alive_schedule import StreamKeepAlive
from config.settings import Settings

log = get_logger("server")

AUDIT_FLUSH_TIMEOUT = 2.0
"""Seconds to write the last lines of the audit file."""


class Server:
    """One server. The constructor opens every socket, or raises CannotStart."""

    def __init__(
        self, settings: Settings, state: StateFolder, reloader: Reloader | None = None, *, node: int | None = None
    ) -> None:
        self.parts = Parts(settings, state, reloader, node=node)
        self.certificate = self.parts.opened.certificate
        self.node_id = self.parts.node_id
        self.reload = self.parts.reload
        self.measured, self.metrics = self.parts.measured, self.parts.metrics
        self.events = self.parts.supervisor.events
        self._settings = settings
        self._asked_to_close, self._web_closing = trio.Event(), trio.Event()
        self._shutdown_scope = trio.CancelScope()

    @property
    def is_closing(self) -> bool:
        return self._asked_to_close.is_set()

    async def until_closing(self) -> None:
        """Wait for the beginning of the shutdown."""
        await self._asked_to_close.wait()

    def close(self) -> None:
        """Start the shutdown; `run` returns when it is done."""
        self.parts.drain.stop()
        self.parts.opened.run_record.freeze()
        self._asked_to_close.set()

    def drain_before_end(self, *, by: str) -> bool:
        """Drain, and then close, if `shutdown_drain_timeout` says so; false if not, or if this was asked before."""
        return self.parts.drain.begin_last(self._settings.shutdown_drain_timeout, by=by)

    def abort(self) -> None:
        """After `close`: stop waiting for anything."""
        self.parts.supervisor.abort()
        self.parts.dispatcher.stop(SHUTDOWN)
        self._shutdown_scope.cancel()

    async def run(self, *, on_ready: Callable[["Server"], None]) -> None:
        """Serve until `close`; `on_ready` is called once every listener is served."""
        self.measured.gc_pauses.start()
        try:
            await self._serve(on_ready)
            if not self._shutdown_scope.cancel_called:
                self.parts.opened.run_record.end()
        finally:
            self.measured.gc_pauses.stop()
            self.parts.opened.audit_writer.close(AUDIT_FLUSH_TIMEOUT)
        log.info("stopped")

    # -- what others are told ----------------------------------------------------------------------

    @property
    def ready_line(self) -> str:
        """Every address as actually bound."""
        listeners = self.parts.opened.listeners
        media = ",".join(map(shown_address, self.parts.plane.addresses))
        return f"wcsd ready {listeners.ready_words} media={media}{listeners.public_words}"

    @property
    def start_page(self) -> str:
        """The address of the start page, for people: https where http is open to the network."""
        return self.parts.opened.listeners.start_page

    # -- life --------------------------------------------------------------------------------------

    async def _serve(self, on_ready: Callable[["Server"], None]) -> None:
        parts = self.parts
        with self._shutdown_scope:
            async with trio.open_nursery() as services:
                services.start_soon(self._limit_shutdown)
                await self._start_services(services)
                async with trio.open_nursery() as web:
                    web.start_soon(serve_web, parts, self._web_closing)
                    await self._serve_signalling(on_ready)
                    if parts.sip is not None:
                        await parts.sip.drain()
                    await parts.pushes.drain()
                    if parts.clustered is not None:
                        await parts.clustered.leave()
                    await parts.recordings.drain()
                    await parts.debug_reports.drain()
                    await parts.dispatcher.drain(math.inf)
                    parts.dispatcher.stop(SHUTDOWN)
                    self._web_closing.set()
                if parts.clustered is not None:
                    parts.clustered.end()
                services.cancel_scope.cancel()

    async def _limit_shutdown(self) -> None:
        await self._asked_to_close.wait()
        await trio.sleep(self._settings.shutdown_timeout)
        tell_what_is_left(self.parts.supervisor, self.parts.dispatcher)
        self.abort()

    async def _start_services(self, services: trio.Nursery) -> None:
        parts, opened = self.parts, self.parts.opened
        parts.overload.after_standstill = list(_late_duties(parts))
        services.start_soon(parts.overload.run)
        services.start_soon(self._close_after_drain)
        services.start_soon(opened.certificate.run)
        services.start_soon(parts.plane.run)
        await services.start(parts.recordings.run)
        await services.start(parts.recordings.services.zygote.run)
        await services.start(parts.snapshots.run)
        await services.start(parts.pushes.run)
        await services.start(parts.captures.run, parts.sessions.streams)
        if parts.sip is not None:
            await services.start(parts.sip.run)
        if parts.sessions.parking is not None:
            await services.start(parts.sessions.parking.run)
        services.start_soon(opened.access.run)
        services.start_soon(parts.debug_reports.run)
        services.start_soon(_run_actor, "hook dispatcher", parts.dispatcher)
        if parts.clustered is not None:
            await parts.clustered.start(services)
            opened.access.decide()  # the other nodes may have users
        await self._serve_operators(services)
        services.start_soon(opened.run_record.run)
        services.start_soon(watch_media_drops, parts.plane, self.events)
        services.start_soon(VideoRates(self._settings, partial(video_rate_pages, parts.supervisor)).run)

    async def _serve_operators(self, services: trio.Nursery) -> None:
        state, opened = self.parts.state, self.parts.opened
        try:
            services.start_soon(SshService(opened.listeners.ssh, state, opened.access.store).run)
            await services.start(serve_operator, state.socket_path, self.parts.command_desk())
        except (OperatorSocketError, StateFolderError) as error:
            raise CannotStart(str(error)) from error

    async def _serve_signalling(self, on_ready: Callable[["Server"], None]) -> None:
        parts, opened = self.parts, self.parts.opened
        async with trio.open_nursery() as signalling:
            await signalling.start(parts.supervisor.run)
            await signalling.start(parts.gateway.run)
            keep_alive = StreamKeepAlive(self._settings, partial(_live_streams, parts.supervisor))
            signalling.start_soon(_run_actor, "stream keep-alive", keep_alive)
            parts.drain.serve()
            if parts.clustered is not None:
                parts.clustered.cluster.membership.renew()  # the others learn that it serves
            calls = ServerStatusCalls(parts.dispatcher, opened.apps.all, parts.node_id, opened.run_record.previous)
            signalling.start_soon(calls.run, self._asked_to_close)
            on_ready(self)
            await self._asked_to_close.wait()
            keep_alive.stop(SHUTDOWN)
            parts.gateway.close()
            if parts.sessions.parking is not None:
                parts.sessions.parking.close()
            parts.supervisor.close(SHUTDOWN)

    async def _close_after_drain(self) -> None:
        await self.parts.drain.run()
        log.info("shutting down", cause="the drain is over")
        self.close()


def _late_duties(parts: Parts) -> Iterator[Callable[[], None]]:
    """What must not wait after a standstill: clocks elsewhere went on."""
    if parts.clustered is not None:
        yield parts.clustered.cluster.membership.renew
    if parts.sip is not None:
        yield parts.sip.renewals.renew_all


def _live_streams(supervisor: Supervisor) -> Iterator[Stream]:
    return cast(Iterator[Stream], supervisor.live_streams())  # there are no others; to look at each takes long


async def _run_actor(kind: str, actor: Running) -> None:
    """Run an actor that the server cannot do without: if it crashes, so does the server."""
    try:
        await actor.run()
    finally:
        log_end(kind, actor)
