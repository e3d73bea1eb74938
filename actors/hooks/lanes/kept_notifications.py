"""The notifications of one lane: each is delivered now, or kept for later if the spool keeps it."""

import trio

from actors.hooks.call_log import HookCall, Progress
from actors.hooks.lanes.queue import Notification
from actors.hooks.lanes.services import LaneServices
from config.settings import HookOrder
from protocol.hooks import NotSent, Outcome
from protocol.hooks.kept_hook import is_undelivered


class KeptNotifications:
    """Delivers them one at a time, in order: while one of them is kept, those that follow are kept behind it."""

    def __init__(self, services: LaneServices, session_id: str) -> None:
        self._services = services
        self._lane = "" if services.settings.rest_hook_order is HookOrder.GLOBAL else session_id

    async def deliver(self, call: HookCall, notification: Notification) -> Outcome:
        """Make the call, unless it has to wait behind others. What comes of it, as far as it is known now."""
        spool, sender = self._services.spool, self._services.sender
        timeout = self._services.settings.rest_request_timeout
        progress = sender.begin(deadline=trio.current_time() + timeout)
        if not spool.keeps(call.app, self._lane, last=notification.last):
            return await sender.send(call, timeout=timeout, deadline=progress.deadline, progress=progress, insists=True)
        outcome: Outcome | None = None
        try:
            if spool.index.is_waiting(call.app.key, self._lane):
                return NotSent()
            outcome = await sender.send(call, timeout=timeout, deadline=progress.deadline, progress=progress)
        finally:
            if outcome is None or is_undelivered(outcome):
                self._keep(call, notification, progress)
        return outcome

    def leave(self, call: HookCall, notification: Notification) -> None:
        """It is not made, because the server stops."""
        spool = self._services.spool
        if spool.keeps(call.app, self._lane, last=notification.last):
            self._keep(call, notification, self._services.sender.begin(deadline=trio.current_time()))

    def _keep(self, call: HookCall, notification: Notification, progress: Progress) -> None:
        spool, when, last = self._services.spool, notification.event_time, notification.last
        spool.keep(call, self._lane, progress, event_time=when, last=last)
