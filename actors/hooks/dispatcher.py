"""The one actor through which every call to a backend goes.

It owns what the lanes share: the sender and its transport, the bound on what waits, the tasks in which queues run. It
has no messages: lanes are called, not told, since a call that must be cancelled with its owner belongs into the owner's
task.

Its end has two steps. `drain` lets what waits be sent, under a cap, while no new session comes; `stop` ends the rest.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Never

import httpx
import trio
from attrs import frozen

from actors.actor import Actor, StopReason
from actors.hooks.lane import HookLane
from actors.hooks.queue import Backlog, HookQueue, Notification
from actors.hooks.sender import HookSender
from actors.hooks.tls import client_context
from actors.hooks.transport import HookTransport
from actors.logs import get_logger
from config.apps import App
from config.settings import HookOrder, Settings
from protocol.hooks import HookMethod

log = get_logger("hooks")

DROP_LOG_INTERVAL = 1.0
"""Seconds between log lines about dropped hooks; the counters tell of every one."""


@frozen(kw_only=True)
class HookStatistics:
    """Counters since the start, and the connections as they are; for `/?action=stat`."""

    sent: int
    retried: int
    failed: int
    timed_out: int
    waiting: int
    dropped: int
    dropped_last: int
    """Those dropped that told of the end of a stream or session."""
    connections_leased: int
    connections_available: int
    connections_pending: int


class HookDispatcher(Actor[Never]):
    """Runs the hook calls of all sessions.

    `find_app` gives the application that has a key now, so that an operator's change holds for the next call; without
    it, or if the application is gone, a session keeps the one it began with. `all_apps` gives all there are now.
    `transport` is replaced by tests. Raises OSError if the settings' CA file cannot be used, ValueError if this machine
    cannot sign hooks and is to.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        find_app: Callable[[str], App | None] = lambda key: None,
        all_apps: Callable[[], Iterable[App]] = tuple,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        self._transport = transport or HookTransport(
            max_connections=settings.rest_max_connections,
            max_response_size=settings.rest_max_response_size,
            tls=client_context(settings.rest_ca_file, insecure=settings.rest_insecure_tls),
        )
        self.sender = HookSender(settings, self._transport)
        self._find_app = find_app
        self._all_apps = all_apps
        self._backlog = Backlog(settings.rest_lanes_total, on_drop=self._report_drop)
        self._all_in_one = self._new_queue() if settings.rest_hook_order is HookOrder.GLOBAL else None
        self._running: set[HookQueue] = set()
        self._idle = trio.Event()
        self._drop_logged_at = float("-inf")

    # -- what others call --------------------------------------------------------------------------------------------

    def open_lane(self, *, app: App, session_id: str, on_warning: Callable[[HookMethod, str], None]) -> HookLane:
        """A lane for a new session. `on_warning(method, info)` is told of events that failed under restOnError FAIL."""
        queue = self._new_queue() if self._all_in_one is None else self._all_in_one
        return HookLane(self, queue, app=app, session_id=session_id, on_warning=on_warning)

    async def drain(self, timeout: float) -> int:
        """Wait until nothing is left to send, at most `timeout` seconds. Gives how many notifications were left."""
        with trio.move_on_after(timeout):
            while self._running:
                self._idle = trio.Event()
                await self._idle.wait()
        left = len(self._backlog)
        if left:
            log.error("hooks left unsent", count=left)
        return left

    def statistics(self) -> HookStatistics:
        """The counters as they are."""
        counters = self.sender.counters
        pool = self._transport.statistics() if isinstance(self._transport, HookTransport) else None
        return HookStatistics(
            sent=counters.sent,
            retried=counters.retried,
            failed=counters.failed,
            timed_out=counters.timed_out,
            waiting=len(self._backlog),
            dropped=self._backlog.dropped,
            dropped_last=self._backlog.dropped_last,
            connections_leased=pool.leased if pool else 0,
            connections_available=pool.available if pool else 0,
            connections_pending=pool.pending if pool else 0,
        )

    # -- what lanes call ---------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether calls can be made: the actor works."""
        return self.reason is None and self._nursery is not None

    def current_app(self, app: App) -> App:
        """The application as it is now."""
        return self._find_app(app.key) or app

    def spawn(self, run: Callable[[], Awaitable[None]]) -> None:
        """Begin a task of this actor."""
        self.nursery.start_soon(run)

    # -- the actor ---------------------------------------------------------------------------------------------------

    async def on_start(self) -> None:
        """Begin to throw away connections that grow old."""
        if self.settings.rest_insecure_tls:
            log.warning("rest_insecure_tls is on: hooks and their credentials go to whoever answers as the backend")
        if self.settings.rest_hook_send_hash:
            for app in self._all_apps():
                if app.rest_username is not None:
                    log.warning(
                        "rest_hook_send_hash is on: this application's user and password are not sent", app=app.key
                    )
        if isinstance(self._transport, HookTransport):
            self.nursery.start_soon(self._transport.run)

    def teardown(self, reason: StopReason) -> None:
        """Refuse what waits: whoever waits for a turn gets an answer."""
        for queue in list(self._running):
            queue.refuse_all()

    async def on_stop(self, reason: StopReason) -> None:
        """Close the connections."""
        await self._transport.aclose()

    # -- inside ------------------------------------------------------------------------------------------------------

    def _new_queue(self) -> HookQueue:
        # One queue for all has no session's bound, only that of the sum.
        is_global = self.settings.rest_hook_order is HookOrder.GLOBAL
        limit = self.settings.rest_lanes_total if is_global else self.settings.rest_lane_size
        return HookQueue(self._backlog, limit=limit, start=self._start_queue)

    def _start_queue(self, queue: HookQueue) -> None:
        self._running.add(queue)
        self.nursery.start_soon(self._run_queue, queue)

    async def _run_queue(self, queue: HookQueue) -> None:
        try:
            await queue.run()
        finally:
            self._running.discard(queue)
            if not self._running:
                self._idle.set()

    def _report_drop(self, dropped: Notification) -> None:
        now = trio.current_time()
        if now < self._drop_logged_at + DROP_LOG_INTERVAL:
            return
        self._drop_logged_at = now
        log.error(
            "hook dropped: too many wait",
            method=dropped.method.value,
            session=dropped.session_id,
            dropped=self._backlog.dropped,
            dropped_last=self._backlog.dropped_last,
        )
