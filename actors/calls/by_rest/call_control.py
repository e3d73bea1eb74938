"""What operators do to calls, as `actors.node.ports.call_control.CallControlPort`."""

from attrs import field, frozen

from actors.calls.all_calls.call_table import CallTable
from actors.calls.sip.registration_table import RegistrationTable
from actors.node.ports.call_control import DigitsNotSent, NoSuchCall
from actors.node.supervisor import Supervisor
from actors.runtime.actor import StopReason
from protocol.calls.description import CallDescription
from protocol.calls.filters import CallFilter
from protocol.rest.paging import Found, Page
from protocol.sip.accounts.account_states import RegistrationDescription


@frozen
class CallControl:
    """See above."""

    _table: CallTable
    _supervisor: Supervisor
    _accounts: RegistrationTable = field(factory=RegistrationTable)

    @property
    def here(self) -> "CallControl":
        return self

    async def find(self, query: CallFilter, page: Page) -> Found[CallDescription]:
        """The number of those that match, and those on the page, oldest first."""
        calls = tuple(call.describe() for call in self._table.find(query.matches))
        return Found(total=len(calls), items=tuple(page.of(calls)))

    async def registrations(self) -> Found[RegistrationDescription]:
        """The registrations of this node, oldest first."""
        found = tuple(self._accounts)
        return Found(total=len(found), items=found)

    async def terminate(self, query: CallFilter, reason: StopReason, *, deadline: float) -> int:
        """End those that match, and wait until `deadline` for them to end; how many they are."""
        calls = self._table.find(query.matches)
        await self._supervisor.terminate_others(calls, reason).wait(deadline)
        return len(calls)

    async def send_digits(self, query: CallFilter, digits: str, kind: str) -> None:
        """Send digits to the phone of the call that matches. Raises NoSuchCall or DigitsNotSent."""
        calls = self._table.find(query.matches)
        if not calls:
            raise NoSuchCall
        fault = calls[0].send_digits(digits, kind)
        if fault is not None:
            raise DigitsNotSent(fault)
