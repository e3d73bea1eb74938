"""One hook call: its attempts, its deadline and its one log line.

Whatever happens becomes an `Outcome`. The only exception that escapes is the caller's cancellation.
"""

import itertools
import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import httpx
import trio
from attrs import define

from actors.events.event_log import EventLog
from actors.hooks.breakers import BREAKER_OPEN, BackendBreakers
from actors.hooks.call_log import CallLog, HookCall, Progress, debug_body, is_debugging
from actors.hooks.connections.transport import NoAnswer, PoolStatistics
from actors.hooks.hook_request import HookRequests, Unwritable
from actors.hooks.recent_calls import RecentCalls
from actors.hooks.retries import Retries
from actors.runtime.fair_queue import Caller
from config.apps import App
from config.live import follow
from config.settings import Settings
from protocol.hooks import (
    Outcome,
    TimedOut,
    Unreachable,
    is_failure,
    read_answer,
    reads_body,
)
from protocol.metrics.hook_counts import HookCounts, HookOutcome, outcome_label

NOT_RECEIVED = (httpx.NetworkError, NoAnswer)
"""Failures after which a hook is sent again: refused, reset, dropped without an answer."""
MAX_CAUSE = 200


class ExchangeSlot(Protocol):
    """The right to make one exchange."""

    async def exchange(self, request: httpx.Request) -> httpx.Response:
        """Make the exchange. Raises httpx.TransportError."""


class CallTransport(Protocol):
    """What a sender needs from `HookTransport`."""

    def slot(
        self, url: httpx.URL, caller: Caller, *, keep_alive: bool, deadline: float
    ) -> AbstractAsyncContextManager[ExchangeSlot]:
        """A slot for one exchange, held for the duration of the block. Raises httpx.UnsupportedProtocol."""

    async def run(self) -> None:
        """Close old connections until cancelled."""

    def close(self) -> None:
        """Close every idle connection, and keep none from now on."""

    def statistics(self) -> PoolStatistics:
        """The current connections."""


@define
class SenderCounters:
    """The results of the calls so far."""

    sent: int = 0
    """Calls started, not counting retries."""
    retried: int = 0
    failed: int = 0
    """No answer, or one other than 200."""
    timed_out: int = 0


class HookSender:
    """Sends hooks through a transport, with retries and signature as the settings say.

    Raises ValueError if hooks must be signed and this machine has no MD5.
    """

    def __init__(
        self,
        settings: Settings,
        transport: CallTransport,
        counts: HookCounts | None = None,
        events: EventLog | None = None,
        all_apps: Callable[[], tuple[App, ...]] = tuple,
    ) -> None:
        self.counters = SenderCounters()
        self.counts = counts or HookCounts()
        events = events or EventLog()
        self.log = CallLog(events)
        self.recent = RecentCalls()
        self.breakers = BackendBreakers(all_apps, events=events, counts=self.counts)
        self._transport = transport
        follow(settings, self._adopt)
        self._id_prefix = secrets.token_hex(8)
        self._numbers = itertools.count(1)

    def _adopt(self, settings: Settings) -> None:
        self.breakers.is_on = settings.rest_breaker
        self._retries = (
            settings.rest_client_request_retry_count if settings.rest_client_request_sent_retry_enabled else 0
        )
        key = (settings.rest_hook_secret_key or "").encode() if settings.rest_hook_send_hash else None
        self._requests = HookRequests(key)

    def new_id(self) -> str:
        """An id for another hook, never used before."""
        return f"{self._id_prefix}-{next(self._numbers)}"

    def begin(self, *, deadline: float, hook_id: str | None = None, attempts: int = 0) -> Progress:
        """The beginning of a call, which has been tried `attempts` times before. Without `hook_id` it is a new one."""
        now = trio.current_time()
        return Progress(hook_id=hook_id or self.new_id(), started=now, deadline=deadline, attempt=attempts)

    async def send(
        self,
        call: HookCall,
        *,
        timeout: float,
        deadline: float,
        progress: Progress | None = None,
        insists: bool = False,
    ) -> Outcome:
        """Make the call, including retries, before `deadline` (trio's clock), which was set `timeout` seconds ahead.

        While the backend's breaker is open, it is made only if the caller `insists`. A probe has its own deadline.
        """
        progress = progress or self.begin(deadline=deadline)
        ticket = self.breakers.admit(call.app)
        if ticket is None and not insists:
            self._note(call, progress, BREAKER_OPEN)
            return BREAKER_OPEN
        progress.attempt += 1
        if ticket is not None and ticket.probe_until is not None and not insists:
            progress.deadline = min(deadline, ticket.probe_until)
        outcome: Outcome | None = None
        try:
            outcome = await self._send(call, progress, timeout)
        finally:
            if ticket is not None:
                self.breakers.report(call.app, ticket, call.method, outcome)
        return outcome

    async def _send(self, call: HookCall, progress: Progress, timeout: float) -> Outcome:
        self.counters.sent += 1
        outcome: Outcome = TimedOut(seconds=min(timeout, progress.deadline - progress.started))
        done = False
        try:
            with trio.move_on_at(progress.deadline):
                outcome = await self._try(call, progress)
            done = True
        finally:
            if done:
                self._note(call, progress, outcome)
            else:
                self._count(call, progress, HookOutcome.CANCELLED, None)
                self.log.cancelled(call, progress)
        return outcome

    def refuse(self, call: HookCall) -> Outcome:
        """A call that is not made, because its backend's breaker is open."""
        now = trio.current_time()
        self._note(call, Progress(hook_id="-", started=now, deadline=now, attempt=0), BREAKER_OPEN)
        return BREAKER_OPEN

    def report_lost_turn(self, call: HookCall, timeout: float) -> Outcome:
        """The deadline passed before the call got its turn: the same failure as a backend that is too slow."""
        outcome = TimedOut(seconds=timeout)
        now = trio.current_time()
        progress = Progress(hook_id="-", started=now - timeout, deadline=now, attempt=0)
        self._note(call, progress, outcome)
        return outcome

    def _note(self, call: HookCall, progress: Progress, outcome: Outcome) -> None:
        self.counters.failed += is_failure(call.method, outcome)
        self.counters.timed_out += isinstance(outcome, TimedOut) and not outcome.is_breaker_open
        label = outcome_label(call.method, outcome)
        if label is not None:
            self._count(call, progress, label, outcome)
        self.log.ended(call, progress, outcome)

    def _count(self, call: HookCall, progress: Progress, label: HookOutcome, outcome: Outcome | None) -> None:
        self.counts.ended(call.app.key, call.method, label, trio.current_time() - progress.started)
        self.recent.ended(call, progress, label, outcome)

    async def _try(self, call: HookCall, progress: Progress) -> Outcome:
        debug_body("hook body", call, progress, call.body)
        retries = Retries(self._retries if call.content is None else 0)
        while True:
            try:
                return await self._attempt(call, progress)
            except Unwritable as error:
                return Unreachable(cause=_cause(error))
            except NOT_RECEIVED as error:
                pause = retries.next_pause()
                if pause is None:
                    return Unreachable(cause=_cause(error))
            except httpx.TimeoutException:
                return TimedOut(seconds=trio.current_time() - progress.started)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                return Unreachable(cause=_cause(error))
            await trio.sleep(pause)
            progress.attempt += 1
            self.counters.retried += 1
            self.counts.retried(call.app.key)

    async def _attempt(self, call: HookCall, progress: Progress) -> Outcome:
        url, headers = self._requests.target(call)
        async with self._transport.slot(
            url, call.caller, keep_alive=call.keep_alive, deadline=progress.deadline
        ) as slot:
            # Built only now: a call that waits for a slot must not use its memory twice.
            response = await slot.exchange(self._requests.build(call, progress, url, headers))
            status, content = response.status_code, await response.aread()
            reads = reads_body(call.method, call.config, status, content) or is_debugging()
            answer = read_answer(status, content, reads=reads)
        if answer.body is not None:
            debug_body("hook answer", call, progress, answer.body)
        return answer


def _cause(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:MAX_CAUSE]
