"""How a session and its streams call their backend: one lane, and a keep-alive slot for each stream.

    authorize   the caller waits for its turn and for the answer; cancelling the caller cancels the call
    notify      the caller does not wait
    event       client and backend are told; the client after the backend's answer if that may overwrite the event

Calls of one lane never overlap and keep their order. A call that is not made, because the application lacks the method
or the backend has disabled it, takes no place in the lane.
"""

from collections.abc import Callable
from typing import Any

import trio

from actors.hooks.call_log import HookCall, HookedStream
from actors.hooks.echo import is_echo
from actors.hooks.lanes.backlog import Account
from actors.hooks.lanes.client_deliveries import Deliveries, Delivery
from actors.hooks.lanes.keep_alive_slot import KeepAliveSlot
from actors.hooks.lanes.kept_notifications import KeptNotifications
from actors.hooks.lanes.queue import HookQueue, Notification, Permit
from actors.hooks.lanes.services import LaneServices
from config.apps import App
from protocol.hooks import (
    Allow,
    Deny,
    HookMethod,
    NotSent,
    Outcome,
    RestClientConfig,
    RestPolicy,
    TimedOut,
    Unreachable,
    Verdict,
    Warn,
    apply_client_exclude,
    apply_rest_exclude,
    verdict,
)
from protocol.hooks.breaker import OnBreaker
from protocol.hooks.verdicts import RESTRICTED_ACCESS

STOPPED = Unreachable(cause="hooks have stopped")


class HookLane:
    """The calls of one session. `on_warning(method, info)` reports an event's failure; it must not raise or wait."""

    def __init__(
        self,
        services: LaneServices,
        queue: HookQueue,
        account: Account,
        *,
        app: App,
        session_id: str,
        on_warning: Callable[[HookMethod, str], None],
    ) -> None:
        self.config = RestClientConfig()
        """The backend's policies; those of its answer once `connect` was allowed."""
        self._services = services
        self._queue = queue
        self._account = account
        self._kept = KeptNotifications(services, session_id)
        self._late = Deliveries(services.spawn)
        self._app = app
        self._session_id = session_id
        self._on_warning = on_warning
        self._closed = False

    @property
    def app(self) -> App:
        """The session's application in its current state."""
        return self._services.current_app(self._app)

    def sends(self, method: HookMethod) -> bool:
        """Whether the backend is called for `method` at all. EchoApp is not, since its answers change nothing."""
        return (
            not self._services.settings.disable_rest_requests
            and method in self.app.methods
            and not is_echo(self.app.url)
            and self.config.for_method(method).rest_policy is not RestPolicy.DISABLE
        )

    def overwrites(self, method: HookMethod) -> bool:
        """Whether the answer to `method` may change what was sent; the client then sees the event after the answer."""
        return self.sends(method) and self.config.for_method(method).rest_policy is RestPolicy.OVERWRITE

    def shows_all(self, method: HookMethod) -> bool:
        """Whether the client sees the event at once and as it is, whatever the backend answers."""
        config = self.config.for_method(method)
        return not config.client_exclude and (config.rest_policy is not RestPolicy.OVERWRITE or not self.sends(method))

    async def authorize(self, method: HookMethod, body: dict[str, Any]) -> Verdict:
        """Ask the backend, after all earlier calls, and wait for its answer.

        One deadline (`rest_request_timeout`) covers everything, including the time in the lane.
        """
        if (unasked := self.unasked(method, body)) is not None:
            return unasked
        outcome = await self._ask(method, body)
        if isinstance(outcome, TimedOut) and outcome.is_breaker_open:
            match self.app.breaker_reaction:
                case OnBreaker.ALLOW:
                    outcome = NotSent()
                case OnBreaker.DENY:
                    return Deny(info=RESTRICTED_ACCESS)
        judged = self._judge(method, body, outcome)
        if isinstance(judged, Allow) and judged.config is not None:
            self.config = judged.config
        return judged

    def unasked(self, method: HookMethod, body: dict[str, Any]) -> Verdict | None:
        """What is decided without the backend, because it is not called for `method`; None if it is."""
        return None if self.sends(method) else verdict(method, self.config.for_method(method), NotSent(), body)

    def notify(self, method: HookMethod, body: dict[str, Any], *, last: bool = False) -> None:
        """Tell the backend without waiting. `last` marks the end of a stream or session, which is dropped last."""
        if self.sends(method) and self._is_in_time(method):
            self._put(self._notification(method, body, last=last))

    def event(
        self,
        method: HookMethod,
        body: dict[str, Any],
        *,
        deliver: Callable[[dict[str, Any]], None],
        last: bool = False,
    ) -> None:
        """Tell client and backend about an event without waiting. `deliver` gets the client's version, exactly once.

        The client is told at once, unless the backend may overwrite the event: then after the answer, or after
        `rest_request_timeout` without one. `deliver` must not raise or wait; it may be called after `close`.
        """
        config, sends = self.config.for_method(method), self.sends(method)
        overwrites = config.rest_policy is RestPolicy.OVERWRITE
        if sends and overwrites and self._is_in_time(method):
            self._queue_overwritten(method, body, deliver, last=last)
            return
        deliver(apply_client_exclude(body, config))
        if sends and not overwrites and self._is_in_time(method):
            self._put(self._notification(method, body, last=last))

    def keep_alive_slot(self) -> KeepAliveSlot:
        """A slot for one stream's keep-alives, outside the lane."""
        return KeepAliveSlot(self._services, self)

    def outlasting(self) -> "HookLane":
        """A lane for what is told of the session's streams even after `close`: in the same order, by the same policies.

        Nobody is warned of its failures.
        """
        lane = HookLane(
            self._services,
            self._queue,
            self._account,
            app=self._app,
            session_id=self._session_id,
            on_warning=lambda method, info: None,
        )
        lane.config = self.config
        return lane

    def close(self) -> None:
        """Accept no more calls. Waiting calls are still made."""
        self._closed = True

    # -- inside ------------------------------------------------------------------------------------------------------

    @property
    def _timeout(self) -> float:
        return self._services.settings.rest_request_timeout

    def _is_in_time(self, method: HookMethod) -> bool:
        if self._closed or not self._services.is_open:
            self._services.sender.log.came_too_late(method, self._session_id)
            return False
        return True

    def call(self, method: HookMethod, body: dict[str, Any], *, keep_alive: bool = False) -> HookCall:
        """The call as it would be made now, under the current settings."""
        config = self.config.for_method(method)
        return HookCall(
            app=self.app,
            method=method,
            session_id=self._session_id,
            body=apply_rest_exclude(body, config),
            config=config,
            stream=HookedStream.of(method, body),
            keep_alive=keep_alive,
        )

    def _put(self, notification: Notification) -> None:
        self._queue.append(notification)
        self._account.add(notification)

    def _queue_overwritten(
        self, method: HookMethod, body: dict[str, Any], deliver: Callable[[dict[str, Any]], None], *, last: bool
    ) -> None:
        timeout = self._timeout
        delivery = Delivery(
            deadline=trio.current_time() + timeout,
            show=lambda judged: self._show(method, body, judged, deliver),
            too_late=lambda: verdict(method, self.config.for_method(method), TimedOut(seconds=timeout), body),
        )
        notification = self._notification(method, body, last=last)
        notification.on_verdict = lambda judged: self._late.show(delivery, judged)
        self._late.watch(delivery)
        self._put(notification)

    def _show(
        self, method: HookMethod, body: dict[str, Any], judged: Verdict, deliver: Callable[[dict[str, Any]], None]
    ) -> None:
        self._warn_of(method, judged)
        shown = judged.body if isinstance(judged, Allow) else body
        deliver(apply_client_exclude(shown, self.config.for_method(method)))

    def _warn_of(self, method: HookMethod, judged: Verdict) -> None:
        if isinstance(judged, Warn) and not self._closed:
            self._on_warning(method, judged.info)

    async def _ask(self, method: HookMethod, body: dict[str, Any]) -> Outcome:
        if self._closed or not self._services.is_open:
            return STOPPED
        insists = self.app.breaker_reaction is OnBreaker.CALL
        if not insists and self._services.sender.breakers.refuses(self.app):
            return self._services.sender.refuse(self.call(method, body))
        timeout = self._timeout
        deadline = trio.current_time() + timeout
        with Permit(queue=self._queue) as turn:
            with trio.move_on_at(deadline):
                await turn.granted.wait()
            if not turn.granted.is_set():
                return self._services.sender.report_lost_turn(self.call(method, body), timeout)
            if turn.refused:
                return STOPPED
            self._note_wait(deadline - timeout)
            call = self.call(method, body)
            return await self._services.sender.send(call, timeout=timeout, deadline=deadline, insists=insists)

    def _notification(self, method: HookMethod, body: dict[str, Any], *, last: bool) -> Notification:
        return Notification(
            method=method,
            body=body,
            session_id=self._session_id,
            last=last,
            load=self._services.backlog.load_of(body),
            account=self._account,
            queue=self._queue,
            send=self._send,
            left=self._leave,
            event_time=self._services.wall_clock(),
            on_verdict=lambda judged: self._warn_of(method, judged),
        )

    async def _send(self, notification: Notification) -> None:
        self._note_wait(notification.since)
        method, body = notification.method, notification.body
        judged: Verdict = Allow(body=body)
        try:
            judged = self._judge(method, body, await self._kept.deliver(self.call(method, body), notification))
        finally:
            notification.on_verdict(judged)

    def _leave(self, notification: Notification) -> None:
        self._kept.leave(self.call(notification.method, notification.body), notification)

    def _note_wait(self, since: float) -> None:
        self._services.sender.counts.waited(self._app.key, trio.current_time() - since)

    def _judge(self, method: HookMethod, body: dict[str, Any], outcome: Outcome) -> Verdict:
        judged = verdict(method, self.config.for_method(method), outcome, body)
        if isinstance(judged, Allow | Deny) and judged.warnings:
            self._services.sender.log.odd_answer(method, self._app.key, self._session_id, judged.warnings)
        return judged
