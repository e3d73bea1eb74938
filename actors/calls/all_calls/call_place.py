"""A call's place among all calls: within the limits, in the table, and in what is counted."""

from functools import partial
from typing import Protocol

import trio

from actors.calls.all_calls.call_ids import IdClaim
from actors.calls.all_calls.call_table import ListedCall
from actors.calls.all_calls.services import CallServices
from protocol.calls.fraud_limits import CallParty, CallTicket
from protocol.calls.info_texts import CallInfo, CallRefused
from protocol.calls.statuses import CallStatus


class ClaimingCall(ListedCall, Protocol):
    """A call that has a callId in the cluster."""

    session_id: str

    def finish(self, status: CallStatus, info: str) -> None:
        """End it with this last status, if nothing else has ended it yet."""


class CallPlace:
    """See above. `ticket` is its place within the limits, which it gives back."""

    def __init__(self, ticket: CallTicket, services: CallServices) -> None:
        self._ticket, self._services = ticket, services
        self._up_at: float | None = None
        self._counted_from = 0.0
        self.claim: IdClaim | None = None

    @property
    def party(self) -> CallParty:
        """Who it counts for."""
        return self._ticket.party

    @property
    def is_answered(self) -> bool:
        """Whether the call has been answered, and costs money since."""
        return self._up_at is not None

    async def claim_id(self, call: "ClaimingCall") -> None:
        """Have its callId in the cluster. Nobody waits for it; if another call has it, now or later, this ends."""
        if self.claim is None:
            try:
                claim = await self._services.table.ids.claim(call.call_id)
            except CallRefused as refused:
                self._end(call, refused)
                return
            if call.reason is not None:
                claim.release()
                return
            self.claim = claim
        self.claim.taken = partial(self._end, call, CallRefused(CallInfo.CALL_ID_IN_USE, "another node has it"))

    def _end(self, call: "ClaimingCall", refused: CallRefused) -> None:
        self._services.refused(refused, session=call.session_id, call=call.call_id)
        call.finish(CallStatus.FAILED, refused.info)

    def answered(self) -> None:
        """The call is up."""
        self._up_at = self._counted_from = trio.current_time()
        self._services.counts.up += 1
        self._services.limits.answered(self._ticket, self._up_at)

    def take_over(self, ticket: CallTicket) -> None:
        """The call goes on by a call to somebody else, whose place this is: its own is free again."""
        now, limits = trio.current_time(), self._services.limits
        limits.give_back(self._ticket, now - self._counted_from, now)
        self._ticket, self._counted_from = ticket, now
        limits.answered(ticket, now)

    def give_back(self, call: ListedCall, last: CallStatus | None) -> None:
        """The call is over, with this status."""
        self._services.table.remove(call)
        if self.claim is not None:
            self.claim.release()
            self.claim = None
        now = trio.current_time()
        seconds = None if self._up_at is None else now - self._up_at
        counted = 0.0 if seconds is None else now - self._counted_from
        self._services.limits.give_back(self._ticket, counted, now)
        self._services.counts.over((last or CallStatus.FAILED).value, seconds)
