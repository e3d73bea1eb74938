"""One stream's keep-alives. They stay outside the lane: a call that waits there must not delay them."""

import math
from collections.abc import Callable
from typing import Any, Protocol

import trio

from actors.hooks.call_log import HookCall
from actors.hooks.lanes.services import LaneServices
from config.apps import App
from protocol.hooks import Allow, Answered, HookMethod, NotSent, Outcome, RestClientConfig, TimedOut, Verdict, verdict
from protocol.hooks.breaker import OnBreaker


class CallsOfSession(Protocol):
    """What a slot needs of its session's lane."""

    @property
    def app(self) -> App:
        """The session's application in its current state."""

    @property
    def config(self) -> RestClientConfig:
        """The backend's policies."""

    def sends(self, method: HookMethod) -> bool:
        """Whether the backend is called for `method` at all."""

    def call(self, method: HookMethod, body: dict[str, Any], *, keep_alive: bool = False) -> HookCall:
        """The call as it would be made now, under the current settings."""


class KeepAliveSlot:
    """One stream's keep-alives: at most one under way, none waiting. They end with the stream."""

    def __init__(self, services: LaneServices, lane: CallsOfSession) -> None:
        self.expires_at = math.inf
        """Until when the stream may go on by the last answer of 200, on trio's clock."""
        self._services = services
        self._lane = lane
        self._scope: trio.CancelScope | None = None
        self._closed = False

    @property
    def is_ready(self) -> bool:
        """Whether one would be sent now: the last one is answered, the stream is live, the backend wants them."""
        return (
            self._scope is None
            and not self._closed
            and self._services.is_open
            and self._lane.sends(HookMethod.STREAM_KEEP_ALIVE_EVENT)
            and (self._insists or not self._services.sender.breakers.refuses(self._lane.app))
        )

    @property
    def _insists(self) -> bool:
        return self._lane.app.breaker_reaction is OnBreaker.CALL

    def send(self, body: dict[str, Any], on_verdict: Callable[[Verdict], None]) -> bool:
        """Send one if the slot is ready; return whether it was sent.

        `on_verdict` gets the result, unless the slot is closed first. It must not raise or wait.
        """
        if not self.is_ready:
            return False
        scope = self._scope = trio.CancelScope()
        self._services.spawn(lambda: self._run(scope, body, on_verdict))
        return True

    def close(self) -> None:
        """End with the stream: cancel the call under way and send no more."""
        self._closed = True
        if self._scope is not None:
            self._scope.cancel()

    async def _run(self, scope: trio.CancelScope, body: dict[str, Any], on_verdict: Callable[[Verdict], None]) -> None:
        method = HookMethod.STREAM_KEEP_ALIVE_EVENT
        timeout = self._services.settings.rest_request_timeout
        outcome: Outcome = NotSent()
        try:
            with scope:
                call = self._lane.call(method, body, keep_alive=True)
                deadline = trio.current_time() + timeout
                outcome = await self._services.sender.send(
                    call, timeout=timeout, deadline=deadline, insists=self._insists
                )
        finally:
            self._scope = None
        is_skipped = isinstance(outcome, NotSent) or (isinstance(outcome, TimedOut) and outcome.is_breaker_open)
        if not self._closed and not is_skipped:
            on_verdict(self._judge(call, outcome, body))

    def _judge(self, call: HookCall, outcome: Outcome, body: dict[str, Any]) -> Verdict:
        judged = verdict(call.method, self._lane.config.for_method(call.method), outcome, body)
        if isinstance(judged, Allow) and isinstance(outcome, Answered) and outcome.status == 200:
            expires_in = judged.terms.expires_in
            self.expires_at = math.inf if expires_in is None else trio.current_time() + expires_in
            if judged.warnings:
                self._services.sender.log.odd_answer(call.method, call.app.key, call.session_id, judged.warnings)
        return judged
