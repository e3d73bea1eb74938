"""Where a session has its calls, until it ends, or another session of its client comes for them.

A client whose connection is lost without a word may be back long before this server notices.
"""

from collections.abc import Callable

import trio

from actors.calls.pages.parking import CallParking
from actors.runtime.actor import StopReason
from actors.session.requests.calls import CallAccess, SessionCalls, open_session_calls
from actors.session.requests.websdk_owner import SessionOwner
from actors.session.socket.receive_quota import ReceiveQuota
from protocol.calls.info_texts import CallInfo
from protocol.calls.statuses import CallStatus
from protocol.signaling.frames import Finish, SipRequest


class CallSeat:
    """See above."""

    def __init__(
        self, owner: SessionOwner, access: CallAccess | None, quota: ReceiveQuota, nursery: Callable[[], trio.Nursery]
    ) -> None:
        self._owner = owner
        self._calls: SessionCalls | None = open_session_calls(owner, access, quota, nursery)
        self._parking: CallParking[SessionCalls] | None = None
        if access is not None and access.keeper is not None and access.parking is not None:
            self._parking, self._token = access.parking, access.keeper.token
            self._parking.seat(access.keeper, self)

    def take(self, frame: SipRequest) -> None:
        """Handle a frame about a call."""
        if self._calls is not None:
            self._calls.take(frame)
        elif frame.message in ("call", "answer"):
            self._owner.send(Finish(call_id=frame.call_id, status=CallStatus.FAILED, info=CallInfo.TAKEN_OVER))

    def give_up(self) -> SessionCalls:
        """Its calls are another session's now."""
        calls, self._calls = self._calls, None
        if calls is None:
            raise ValueError("the calls of this session have been given up already")
        return calls

    def end(self, reason: StopReason, *, is_lost: bool) -> None:
        """The session is over; see `SessionCalls.end`."""
        if self._parking is not None:
            self._parking.unseat(self._token)
        if self._calls is not None:
            self._calls.end(reason, is_lost=is_lost)
