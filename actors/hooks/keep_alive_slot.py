"""One stream's keep-alives. They stay outside the lane: a call that waits there must not delay them."""

from collections.abc import Callable
from typing import Any, Protocol

import trio

from actors.hooks.call_log import HookCall
from actors.hooks.lane_services import LaneServices
from protocol.hooks import HookMethod, RestClientConfig, Verdict, verdict


class CallsOfSession(Protocol):
    """What a slot needs of its session's lane."""

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
        )

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
        try:
            with scope:
                call = self._lane.call(method, body, keep_alive=True)
                outcome = await self._services.sender.send(
                    call, timeout=timeout, deadline=trio.current_time() + timeout
                )
        finally:
            self._scope = None
        if not self._closed:
            on_verdict(verdict(method, self._lane.config.for_method(method), outcome, body))
