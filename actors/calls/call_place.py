"""A call's place among all calls: within the limits, in the table, and in what is counted."""

import trio

from actors.calls.call_table import ListedCall
from actors.calls.services import CallServices
from protocol.calls.fraud_limits import CallParty, CallTicket
from protocol.calls.statuses import CallStatus


class CallPlace:
    """See above. `ticket` is its place within the limits, which it gives back."""

    def __init__(self, ticket: CallTicket, services: CallServices) -> None:
        self._ticket, self._services = ticket, services
        self._up_at: float | None = None
        self._counted_from = 0.0

    @property
    def party(self) -> CallParty:
        """Who it counts for."""
        return self._ticket.party

    @property
    def is_answered(self) -> bool:
        """Whether the call has been answered, and costs money since."""
        return self._up_at is not None

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
        now = trio.current_time()
        seconds = None if self._up_at is None else now - self._up_at
        counted = 0.0 if seconds is None else now - self._counted_from
        self._services.limits.give_back(self._ticket, counted, now)
        self._services.counts.over((last or CallStatus.FAILED).value, seconds)
