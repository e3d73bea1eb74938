"""The owner of a call that REST has begun: no page is told of it, only its backend."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from actors.hooks.lanes.lane import HookLane
from actors.runtime.logs import get_logger
from protocol.access.kicks import Subject
from protocol.calls.description import CallDescription
from protocol.calls.statuses import TransferStatus
from protocol.hooks import HookContext, HookMethod

log = get_logger("calls")


@frozen(kw_only=True)
class RestCallOwner:
    """See above; a `CallOwner`. The lane is its own, and is closed with the call."""

    context: HookContext
    lane: HookLane

    @property
    def subject(self) -> Subject:
        return Subject(app_key=self.context.app_key, session_id=self.context.session_id)

    @property
    def is_away(self) -> bool:
        return False

    def call_answered(self, call_id: str, sdp: str) -> None:
        """There is no page."""

    def call_rings(self, call_id: str, sdp: str, shown: Mapping[str, Any]) -> None:
        """Nobody calls it."""

    def call_status(self, call: CallDescription, shown: Mapping[str, Any]) -> None:
        """REST and events tell of it."""

    def call_warning(self, call_id: str, method: HookMethod, info: str) -> None:
        log.debug("not done in a call without a page", id=call_id, method=method, info=info)

    def call_transfer(self, call_id: str, status: TransferStatus) -> None:
        """Nobody orders one."""

    def call_over(self, call_id: str) -> None:
        self.lane.close()
