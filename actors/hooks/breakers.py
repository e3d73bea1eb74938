"""The breakers of all backends: one for each scheme, host and port, since what is down is a server, not an application.

A status of 500 and up counts only as the answer to a question, or to a probe: notifications that a backend has no use
for, and answers so, must not shut out its clients.
"""

import random
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

import httpx
import trio

from actors.events.event_log import EventLog
from actors.hooks.connections.transport import HostName, host_name
from actors.hooks.echo import is_echo
from actors.runtime.logs import get_logger
from config.apps import App
from protocol.hooks import Answered, HookMethod, Outcome, TimedOut, Unreachable
from protocol.hooks.breaker import Breaker, BreakerState, CallResult, Ticket
from protocol.metrics.hook_counts import HookCounts
from protocol.node.server_events import EventType

log = get_logger("hooks")

UNUSED_SECONDS: Final = 600.0
"""After so long without a call a backend's breaker is forgotten."""

BREAKER_OPEN: Final = TimedOut(seconds=0.0, is_breaker_open=True)
"""What a call comes to that is not made because of its backend's breaker."""


class BackendBreakers:
    """Which backends are called at present. With `is_on` false all of them are."""

    def __init__(
        self,
        all_apps: Callable[[], tuple[App, ...]] = tuple,
        *,
        events: EventLog,
        counts: HookCounts,
        random: Callable[[], float] = random.random,
    ) -> None:
        self.is_on = True
        self._all_apps = all_apps
        self._events = events
        self._counts = counts
        self._random = random
        self._breakers: dict[HostName, Breaker] = {}
        self._opened_at: dict[HostName, float] = {}

    def refuses(self, app: App) -> bool:
        """Whether a call of the application would not be made now."""
        breaker = self._breakers.get(backend_of(app.url)) if self.is_on else None
        return breaker is not None and breaker.refuses(trio.current_time())

    def seconds_left(self, app: App) -> float:
        """How long to wait before a call may be made; 0 if it may be made now, or as soon as the probe has ended."""
        breaker = self._breakers.get(backend_of(app.url)) if self.is_on else None
        return 0.0 if breaker is None else max(0.0, breaker.open_until - trio.current_time())

    def admit(self, app: App) -> Ticket | None:
        """The right to make one call; None if it must not be made."""
        return self._of(backend_of(app.url)).admit(trio.current_time()) if self.is_on else Ticket(-1)

    def report(self, app: App, ticket: Ticket, method: HookMethod, outcome: Outcome | None) -> None:
        """How a call that was admitted has ended. None: it was cancelled."""
        breaker = self._breakers.get(backend_of(app.url))
        if breaker is not None:
            breaker.report(ticket, _result(method, outcome, ticket), trio.current_time())

    def states(self) -> Iterator[tuple[str, str]]:
        """Of each application whose backend has a breaker: its key, and the state."""
        for app in self._all_apps():
            breaker = None if is_echo(app.url) else self._breakers.get(backend_of(app.url))
            if breaker is not None:
                yield app.key, breaker.state.label

    def _of(self, backend: HostName) -> Breaker:
        breaker = self._breakers.get(backend)
        if breaker is None:
            self._forget_unused()
            breaker = self._breakers[backend] = Breaker(
                random=self._random, on_change=lambda before, after: self._changed(backend, before, after)
            )
        return breaker

    def _forget_unused(self) -> None:
        before = trio.current_time() - UNUSED_SECONDS
        for backend in [name for name, breaker in self._breakers.items() if breaker.last_used < before]:
            self._breakers.pop(backend).forget()
            self._opened_at.pop(backend, None)

    def _changed(self, backend: HostName, before: BreakerState, after: BreakerState) -> None:
        now, shown = trio.current_time(), _shown(backend)
        if before is BreakerState.CLOSED and after is BreakerState.OPEN:
            self._opened_at[backend] = now
            log.warning("breaker opened: the backend is not called", backend=shown)
        elif after is BreakerState.CLOSED:
            seconds = round(now - self._opened_at.pop(backend, now), 1)
            log.warning("breaker closed: the backend answers again", backend=shown, seconds=seconds)
        for app in self._all_apps():
            if backend_of(app.url) == backend:
                self._counts.breaker_changed(app.key, after.label)
                change = {"from": before.label, "to": after.label}
                self._events.emit(EventType.BREAKER_CHANGED, app=app.key, backend=shown, **change)


def _result(method: HookMethod, outcome: Outcome | None, ticket: Ticket) -> CallResult:
    match outcome:
        case Answered(status=status) if status >= 500 and (method.is_question or ticket.probe_until is not None):
            return CallResult.FAILED
        case TimedOut() | Unreachable():
            return CallResult.FAILED
        case None:
            return CallResult.WITHDRAWN
        case _:
            return CallResult.ANSWERED


@lru_cache(maxsize=1024)
def backend_of(url: str) -> HostName:
    """An application's backend, by its URL."""
    try:
        return host_name(httpx.URL(url))
    except httpx.InvalidURL:  # calls of it fail one by one
        return "", url, 0


def _shown(backend: HostName) -> str:
    scheme, host, port = backend
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
