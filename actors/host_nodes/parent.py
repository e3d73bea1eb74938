"""The parent of the nodes of one machine: it starts them, passes signals on, and starts those again that die.

It has no media and no clients. A node that has ended with exit code 0 without being told to has drained: it is not
started again until somebody wants it back.
"""

import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

import trio

from actors.host_nodes.commands import NodeCommands
from actors.host_nodes.node_process import NodePlan, NodeProcess
from actors.host_nodes.ports import HeldPorts
from actors.host_nodes.private_redis import PrivateRedis, RedisMissing
from actors.host_nodes.state_files import NodeFolders
from actors.net.tcp_listeners import ListenerError
from actors.operator.server import serve_lines
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.runtime.service_manager import ServiceManager, ServiceReport
from actors.runtime.signals import MEANINGS, Meaning, name_of
from actors.settings.settings_source import SettingsSource
from actors.storage.failing_nodes import FailingNodes
from actors.storage.state_folder import StateFolder, StateFolderError
from config.loading import SettingsError
from config.settings import Settings
from protocol.node.restarts import HEALTHY_AFTER, Restarts

EARLIER_NODES_TIMEOUT: Final = 30.0
"""Seconds that nodes of an earlier start may take to end: they notice that their parent is gone."""
LOOK: Final = 0.1
"""Seconds between two looks at a file's lock, which tells no one."""
END_GRACE: Final = 10.0
"""Seconds that a node may take to end beyond its own time limit, before it is killed."""
RELOAD_TIMEOUT: Final = 10.0
"""Seconds after which the service manager hears that a reload is over."""
LONGEST_DELAY: Final = 30.0
"""Seconds before each further start of a node that ends again and again."""
LISTENERS: Final = ("ws", "wss", "http", "https", "ssh")

log = get_logger("nodes")
signal_log = RateLimitedLog(log, burst=10)

PrintLine = Callable[[str], Awaitable[None]]


class NodesCannotStart(Exception):
    """The text says why, for the operator."""


class NodesFailed(Exception):
    """They have ended because they could not go on; the text says why."""


class NodePlace:
    """Where one node runs, again and again."""

    def __init__(self, plan: NodePlan) -> None:
        self.plan = plan
        self.node: NodeProcess | None = None
        self.media = ""
        self.public = ""
        self.ready = trio.Event()
        self.restarts = Restarts()
        self.is_failing = False
        """Whether it has ended again and again, the last time it ended."""
        self.wanted_back: trio.Event | None = None
        """Set when somebody wants a drained node back; None: it has not drained."""

    @property
    def index(self) -> int:
        return self.plan.index

    @property
    def socket_path(self) -> Path:
        return self.plan.socket_path

    @property
    def node_id(self) -> str:
        """Empty until it has one."""
        try:
            return (self.plan.folder / "node-id").read_text("ascii", errors="replace").strip()
        except OSError:
            return ""

    def want_back(self) -> bool:
        """Start a node that has drained; false if it has not."""
        if self.wanted_back is None or self.wanted_back.is_set():
            return False
        self.wanted_back.set()
        return True

    @property
    def has_drained(self) -> bool:
        return self.wanted_back is not None

    @property
    def is_ready(self) -> bool:
        return self.node is not None and self.node.is_ready

    @property
    def is_silent(self) -> bool:
        return self.node is None or self.node.is_silent

    @property
    def serves(self) -> bool:
        """Whether it serves, or can be expected to."""
        return self.is_ready or not (self.is_failing or self.has_drained)

    @property
    def is_draining(self) -> bool:
        return self.node is not None and self.node.is_draining

    @property
    def status(self) -> str:
        if self.has_drained:
            return "drained"
        if self.node is None:
            return "down: it ends again and again" if self.is_failing else "down"
        return self.node.status


class Nodes:
    """All of them. The constructor takes what they share, or raises NodesCannotStart."""

    def __init__(self, source: SettingsSource, settings: Settings, state: StateFolder, count: int) -> None:
        self._settings = settings
        self._source = source
        self._folders = NodeFolders(state, count)
        self._state = state
        try:
            self._folders.check_sockets()
            self._redis = PrivateRedis(state.path) if settings.cluster_redis_url is None else None
            self._ports = HeldPorts(settings)
        except (ListenerError, RedisMissing, StateFolderError) as error:
            raise NodesCannotStart(str(error)) from error
        shared = self._ports.overrides + (() if self._redis is None else (self._redis.override,))
        self.places = tuple(NodePlace(self._plan(index, shared)) for index in range(count))
        self._stopping = trio.Event()
        self._stopped_by: list[int] = []
        self._has_started = False
        self._failure: str | None = None

    # -- life --------------------------------------------------------------------------------------

    async def run(self, manager: ServiceManager, print_line: PrintLine) -> None:
        """Serve until told to stop, or until every node has drained. NodesCannotStart, NodesFailed."""
        try:
            await self._prepare()
            self._tell_failing()
            async with trio.open_nursery() as around:
                if self._redis is not None:
                    await _start_redis(self._redis, around)
                await around.start(serve_lines, self._state.socket_path, NodeCommands(self.places).answer)
                around.start_soon(self._report_when_ready, manager, print_line)
                around.start_soon(self._limit_end)
                async with trio.open_nursery() as nodes:
                    for place in self.places:
                        nodes.start_soon(self._keep, place)
                around.cancel_scope.cancel()
        finally:
            self._ports.close()
            with contextlib.suppress(OSError):  # the copies of the nodes are there at the next start
                self._folders.gather()
        if self._failure is not None:
            raise NodesFailed(self._failure)

    def signal(self, number: int) -> None:
        """Do what a signal means: those that stop are for the nodes."""
        name = name_of(number)
        if MEANINGS[number] is Meaning.STOP:
            log.info("the nodes are told to stop", signal=name)
            self._stop(number)
        else:
            signal_log.warning("signal without a meaning here", signal=name)

    async def reload(self, manager: ServiceManager) -> None:
        """All nodes read their settings again, and so do we."""
        manager.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        reloading = [place.node for place in self.places if place.node is not None and place.is_ready]
        for node in reloading:
            node.reloaded = trio.Event()
            node.signal(signal.SIGHUP)
        with trio.move_on_after(RELOAD_TIMEOUT):
            for node in reloading:
                await node.reloaded.wait()
        with contextlib.suppress(SettingsError):  # the nodes have said what is wrong
            self._settings = self._source.load().settings
        manager.tell("READY=1")

    # -- what others are told ----------------------------------------------------------------------

    @property
    def ready_line(self) -> str:
        """Every address as bound; the media addresses of all nodes."""
        names = [name for name in LISTENERS if self._ports.has(name)]
        words = " ".join(f"{name}={self._ports.shown(name)}" for name in names)
        media = ",".join(place.media for place in self.places)
        public = f" public={self.places[0].public}" if self.places[0].public else ""
        return f"wcsd ready {words} media={media}{public}"

    def status(self) -> str:
        """One line for people."""
        ready = sum(place.is_ready for place in self.places)
        each = "; ".join(f"{place.index} {place.status}" for place in self.places)
        return f"{ready} of {len(self.places)} nodes: {each}"

    @property
    def is_draining(self) -> bool:
        """Whether they take their time to end."""
        return self._stopping.is_set() and any(place.is_draining for place in self.places)

    # -- inside ------------------------------------------------------------------------------------

    async def _prepare(self) -> None:
        used = self._folders.in_use()
        if used:
            log.info("waiting for the nodes of an earlier start", folder=used[0])
        with trio.move_on_after(EARLIER_NODES_TIMEOUT):
            while used:
                await trio.sleep(LOOK)
                used = self._folders.in_use()
        if used:
            raise NodesCannotStart(f"{used[0]}: a node of an earlier start still runs")
        if self._settings.wss_cert is None:
            self._state.certificate()
        if self._settings.ssh_port is not None:
            self._state.ssh_host_key()
        self._folders.prepare()

    async def _keep(self, place: NodePlace) -> None:
        """Run the node in its place until the end."""
        while not self._stopping.is_set():
            begun = trio.current_time()
            code = await self._run_once(place)
            if self._stopping.is_set():
                break
            if not self._has_started:
                raise NodesCannotStart(f"node {place.index} has ended with exit code {code}; the log says why")
            if code == os.EX_OK:
                await self._rest(place)
            else:
                await self._wait_to_restart(place, code, trio.current_time() - begun)

    async def _run_once(self, place: NodePlace) -> int:
        def note_ready(words: dict[str, str]) -> None:
            place.media, place.public = words.get("media", ""), words.get("public", "")
            place.ready.set()
            log.info("a node serves", node=place.index, media=place.media)
            for number in self._stopped_by:  # it came while the node started
                node.signal(number)

        place.node = node = NodeProcess(place.plan, note_ready)
        async with trio.open_nursery() as beside:
            if place.is_failing:
                beside.start_soon(self._trust_again, place, node)
            try:
                code = await node.run()
            except OSError as error:  # such as for want of memory, descriptors or room on the disk
                log.error("a node cannot be started", node=place.index, error=str(error))
                code = os.EX_OSERR
            finally:
                place.node = None
            beside.cancel_scope.cancel()
        return code

    async def _trust_again(self, place: NodePlace, node: NodeProcess) -> None:
        """It has shown that it can live."""
        await node.serves.wait()
        await trio.sleep(HEALTHY_AFTER)
        place.is_failing = False
        self._tell_failing()

    async def _rest(self, place: NodePlace) -> None:
        """A drained node is not started until it is wanted; the last one to drain ends everything."""
        place.wanted_back = trio.Event()
        log.info("a node has drained, and is not started again", node=place.index)
        if all(each.has_drained for each in self.places):
            self._stopping.set()
        async with trio.open_nursery() as waiting:
            waiting.start_soon(_cancel_after, self._stopping, waiting.cancel_scope)
            await place.wanted_back.wait()
            waiting.cancel_scope.cancel()
        place.wanted_back = None

    async def _wait_to_restart(self, place: NodePlace, code: int, lived: float) -> None:
        delay = place.restarts.died(lived)
        place.is_failing = delay is None
        self._tell_failing()
        if not any(each.serves for each in self.places):
            self._failure = f"node {place.index} ends again and again, at last with exit code {code}"
            self._stop(signal.SIGTERM)
            return
        if delay is None:
            delay = LONGEST_DELAY
            log.error("a node ends again and again: the others go on", node=place.index, code=code, after=delay)
        else:
            log.error("a node has ended, and is started again", node=place.index, code=code, after=delay)
        with trio.move_on_after(delay):
            await self._stopping.wait()

    def _tell_failing(self) -> None:
        try:
            FailingNodes(self._state.path).tell(place.index for place in self.places if place.is_failing)
        except OSError as error:
            log.warning("the nodes cannot be told which of them fail", error=error.strerror)

    async def _report_when_ready(self, manager: ServiceManager, print_line: PrintLine) -> None:
        for place in self.places:
            await place.ready.wait()
        self._has_started = True
        await print_line(self.ready_line)
        report = ServiceReport(manager, {}, status=self.status, is_ending=lambda: self.is_draining)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(report.run)
            await self._stopping.wait()
            if not self._settings.shutdown_drain_timeout:
                manager.tell("STOPPING=1")

    async def _limit_end(self) -> None:
        """Nodes have their own time limits; one that hangs keeps none."""
        await self._stopping.wait()
        await trio.sleep(self._settings.shutdown_timeout + END_GRACE)
        while self.is_draining:  # noqa: ASYNC110 - its end is silence
            await trio.sleep(self._settings.shutdown_timeout + END_GRACE)
        for place in self.places:
            if place.node is not None:
                log.error("a node does not end, and is killed", node=place.index)
                place.node.signal(signal.SIGKILL)

    def _stop(self, number: int) -> None:
        self._stopped_by.append(number)
        self._stopping.set()
        for place in self.places:
            if place.node is not None and place.is_ready:
                place.node.signal(number)

    def _plan(self, index: int, shared: tuple[str, ...]) -> NodePlan:
        overrides = (*self._source.overrides, *shared, *_own_settings(self._settings, index))
        return NodePlan(index=index, folder=self._folders.paths[index], config=self._source.file, overrides=overrides)


def _own_settings(settings: Settings, index: int) -> Iterator[str]:
    """What differs from node to node."""
    if settings.media_port_from:
        yield f"media_port_from={settings.media_port_from + index}"
    if settings.media_tcp_port:
        yield f"media_tcp_port={settings.media_tcp_port + index}"
    if settings.records_folder is not None:
        yield f"records.folder={settings.records_folder / f'node-{index}'}"


async def _start_redis(redis: PrivateRedis, around: trio.Nursery) -> None:
    """Raises NodesCannotStart."""
    try:
        await around.start(redis.run)
    except (RedisMissing, OSError) as error:
        raise NodesCannotStart(str(error)) from error


async def _cancel_after(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()
