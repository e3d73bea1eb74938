"""The one actor through which every call to a backend goes.

It owns what the lanes share: the sender and its transport, the bound on waiting hooks, the tasks in which queues run.
It has no messages: lanes are called directly, because a call that is cancelled together with its owner must run in the
owner's task.

It shuts down in two steps: once no new sessions come, `drain` gives waiting hooks limited time to be sent; then `stop`
ends the rest.
"""

import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Never

import httpx
import trio
from attrs import frozen

from actors.events.event_log import EventLog
from actors.hooks.connections.tls import client_context
from actors.hooks.connections.transport import HookTransport, HostName, host_name
from actors.hooks.echo import is_echo
from actors.hooks.kept.replay import HookReplay
from actors.hooks.kept.spool import Spool
from actors.hooks.lanes.backlog import Backlog, WaitingHook
from actors.hooks.lanes.lane import HookLane
from actors.hooks.lanes.queue import HookQueue, Notification
from actors.hooks.lanes.queue_starter import QueueStarter
from actors.hooks.sender import CallTransport, HookSender
from actors.net.accept import hook_connections
from actors.runtime.actor import Actor, StopReason
from actors.runtime.fair_queue import Caller
from actors.runtime.logs import get_logger
from actors.storage.app_store import AppStore
from config.apps import App
from config.live import follow
from config.settings import HookOrder, Settings
from protocol.hooks import HookMethod
from protocol.metrics.hook_counts import HookCounts

log = get_logger("hooks")

REFUSALS_PER_PASS = 100
"""Hooks to refuse in one go when the server shuts down with many unsent."""


@frozen(kw_only=True)
class HookStatistics:
    """Counters since the start and the current connections, for `/?action=stat`."""

    sent: int
    retried: int
    failed: int
    timed_out: int
    waiting: int
    dropped: int
    dropped_last: int
    """Dropped hooks that reported the end of a stream or session."""
    connections_leased: int
    connections_available: int
    connections_pending: int


class HookDispatcher(Actor[Never]):
    """Runs the hook calls of all sessions.

    `find_app` returns the current application for a key, so that an operator's change applies to the next call; without
    it, or if the application is gone, a session keeps the one it started with. `all_apps` returns all current
    applications. Without `spool` nothing is kept. Tests replace `transport`. Raises OSError if the CA file in the
    settings cannot be used, ValueError if hooks must be signed and this machine cannot sign them.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        find_app: Callable[[str], App | None] = lambda key: None,
        all_apps: Callable[[], tuple[App, ...]] = tuple,
        transport: CallTransport | None = None,
        counts: HookCounts | None = None,
        events: EventLog | None = None,
        spool: Spool | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.beats = 0
        self._transport = transport or _open_transport(settings, all_apps)
        self.sender = HookSender(settings, self._transport, counts, events, all_apps)
        self.spool = spool or Spool(settings, None)
        self.replay = HookReplay(settings, self.spool, self.sender, find_app)
        self._find_app = find_app
        self._all_apps = all_apps
        self.backlog = Backlog(settings.rest_lanes_total, on_drop=self._report_drop)
        follow(settings, self._adopt)
        self._starts = QueueStarter(self._begin, spawn=self.spawn)
        is_global = settings.rest_hook_order is HookOrder.GLOBAL
        self._all_in_one = self._new_queue(Caller("", "")) if is_global else None
        self._running: set[HookQueue] = set()
        self._idle = trio.Event()
        self._left: list[HookQueue] = []

    def _adopt(self, settings: Settings) -> None:
        self.backlog.limit = settings.rest_lanes_total

    # -- what others call --------------------------------------------------------------------------------------------

    def open_lane(self, *, app: App, session_id: str, on_warning: Callable[[HookMethod, str], None]) -> HookLane:
        """A lane for a new session. `on_warning(method, info)` reports events that failed under restOnError FAIL."""
        queue = self._all_in_one or self._new_queue(Caller(app.key, session_id))
        account = self.backlog.account(app.key, limit=self.settings.rest_lane_size)
        return HookLane(self, queue, account, app=app, session_id=session_id, on_warning=on_warning)

    async def drain(self, timeout: float) -> int:
        """Wait until nothing is left to send, at most `timeout` seconds. Returns how many notifications were left."""
        with trio.move_on_after(timeout):
            while self._running:
                self._idle = trio.Event()
                await self._idle.wait()
        left = len(self.backlog)
        if left:
            log.error("hooks left unsent", count=left)
        return left

    def statistics(self) -> HookStatistics:
        """The current counters."""
        counters = self.sender.counters
        pool = self._transport.statistics()
        return HookStatistics(
            sent=counters.sent,
            retried=counters.retried,
            failed=counters.failed,
            timed_out=counters.timed_out,
            waiting=len(self.backlog),
            dropped=self.backlog.dropped,
            dropped_last=self.backlog.dropped_last,
            connections_leased=pool.leased,
            connections_available=pool.available,
            connections_pending=pool.pending,
        )

    # -- what lanes call ---------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether calls can be made: the actor is running."""
        return self.reason is None and self._nursery is not None

    def current_app(self, app: App) -> App:
        """The current state of the application."""
        return self._find_app(app.key) or app

    def wall_clock(self) -> float:
        """Seconds since the epoch."""
        return self.spool.wall_clock()

    def poke(self) -> None:
        """Let this actor show that it goes on: `beats` grows, unless it has ended."""
        if self.is_open:
            self.spawn(self._beat)
        else:
            self.beats += 1

    async def _beat(self) -> None:
        self.beats += 1

    def spawn(self, run: Callable[[], Awaitable[None]]) -> None:
        """Start a task of this actor."""
        self.nursery.start_soon(run)

    # -- the actor ---------------------------------------------------------------------------------------------------

    async def on_start(self) -> None:
        """Start closing connections that grow old."""
        if self.settings.rest_insecure_tls:
            log.warning("rest_insecure_tls is on: hooks and their credentials go to whoever answers as the backend")
        if self.settings.rest_hook_send_hash:
            for app in self._all_apps():
                if app.rest_username is not None:
                    log.warning(
                        "rest_hook_send_hash is on: this application's user and password are not sent", app=app.key
                    )
        self.nursery.start_soon(self._transport.run)
        if self.spool.keeps_anything:
            self.nursery.start_soon(self.spool.run)
            self.nursery.start_soon(self.replay.run)

    def teardown(self, reason: StopReason) -> None:
        """Note what still waits before the queues' tasks end."""
        self._left = list(self._running)

    async def on_stop(self, reason: StopReason) -> None:
        """Close the connections and refuse what waits, so that every waiting caller gets an answer."""
        self._transport.close()
        refused = itertools.count(1)
        try:
            for queue in self._left:
                while queue.refuse_next():
                    if next(refused) % REFUSALS_PER_PASS == 0:
                        await trio.lowlevel.checkpoint()
        finally:
            self._left.clear()
            self.spool.close()

    # -- inside ------------------------------------------------------------------------------------------------------

    def _new_queue(self, caller: Caller) -> HookQueue:
        return HookQueue(start=lambda queue: self._start_queue(caller, queue))

    def _start_queue(self, caller: Caller, queue: HookQueue) -> None:
        self._running.add(queue)
        self._starts.add(caller, queue)

    def _begin(self, queue: HookQueue) -> None:
        self.nursery.start_soon(self._run_queue, queue)

    async def _run_queue(self, queue: HookQueue) -> None:
        try:
            await queue.run()
        finally:
            self._running.discard(queue)
            if not self._running:
                self._idle.set()

    def _report_drop(self, dropped: WaitingHook) -> None:
        if isinstance(dropped, Notification):
            self.sender.counts.dropped(dropped.account.app, last=dropped.last)
            self.sender.log.dropped(
                dropped.method,
                dropped.session_id,
                dropped=self.backlog.dropped,
                dropped_last=self.backlog.dropped_last,
            )


def open_dispatcher(
    settings: Settings, apps: AppStore, counts: HookCounts, events: EventLog, spool: Spool
) -> HookDispatcher:
    """The dispatcher of a server, for the applications in `apps`. Raises as its constructor does."""
    return HookDispatcher(settings, find_app=apps.by_key, all_apps=apps.all, counts=counts, events=events, spool=spool)


class SharedHosts:
    """Which backend hosts are currently called by more than one application."""

    def __init__(self, all_apps: Callable[[], tuple[App, ...]]) -> None:
        self._all_apps = all_apps
        self._apps: tuple[App, ...] | None = None
        self._shared: frozenset[HostName] = frozenset()

    def __call__(self, host: HostName) -> bool:
        apps = self._all_apps()
        if apps is not self._apps:  # a table of applications is never modified, only replaced
            self._apps = apps
            calls = Counter(host_name(httpx.URL(app.url)) for app in apps if not is_echo(app.url))
            self._shared = frozenset(name for name, count in calls.items() if count > 1)
        return host in self._shared


def _open_transport(settings: Settings, all_apps: Callable[[], tuple[App, ...]]) -> HookTransport:
    """The transport that the settings describe, now and after each change."""
    transport = HookTransport(
        max_connections=settings.rest_max_connections,
        max_total=hook_connections(),
        max_response_size=settings.rest_max_response_size,
        tls=client_context(settings.rest_ca_file, insecure=settings.rest_insecure_tls),
        networks=settings.rest_hook_networks,
        is_shared=SharedHosts(all_apps),
    )

    def adopt(settings: Settings) -> None:
        transport.change(
            max_connections=settings.rest_max_connections,
            max_response_size=settings.rest_max_response_size,
            tls=client_context(settings.rest_ca_file, insecure=settings.rest_insecure_tls),
            networks=settings.rest_hook_networks,
        )

    follow(settings, adopt)
    return transport
