"""What the console shows of calls by SIP and of registrations."""

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from attrs import frozen

from actors.node.ports.call_control import CallControlPort
from protocol.calls.description import CallDescription
from protocol.calls.filters import CallFilter
from protocol.rest.paging import NOTHING, Page
from protocol.sip.accounts.account_states import RegistrationState

MAX_CALLS: Final = 500
"""Rows that a console gets; the oldest calls first."""

Apps = frozenset[str] | None


@frozen
class ConsoleCalls:
    """See above. `port` is None while SIP is off; `clock` gives milliseconds since the epoch."""

    port: CallControlPort | None
    clock: Callable[[], int]

    async def line(self, apps: Apps) -> dict[str, Any] | None:
        """How many calls there are, and, for callers who may see everything, registrations. None: SIP is off."""
        if self.port is None:
            return None
        found = await self.port.find(CallFilter(app_keys=apps), NOTHING)
        return {"calls": found.total, "registrations": await self._registrations(self.port, apps)}

    async def table(self, apps: Apps) -> dict[str, Any]:
        """The calls as rows."""
        if self.port is None:
            return {"total": 0, "calls": []}
        found = await self.port.find(CallFilter(app_keys=apps), Page(limit=MAX_CALLS))
        now = self.clock()
        return {"total": found.total, "calls": [_row(call, now) for call in found.items]}

    async def _registrations(self, port: CallControlPort, apps: Apps) -> dict[str, int] | None:
        if apps is not None:
            return None
        counts = Counter(each.state for each in (await port.registrations()).items)
        return {state.value: counts[state] for state in RegistrationState}


def _row(call: CallDescription, now: int) -> dict[str, Any]:
    return {
        "callId": call.call_id,
        "caller": call.caller,
        "callee": call.callee,
        "visibleName": call.visible_name,
        "direction": "in" if call.incoming else "out",
        "status": call.status.value,
        "appKey": call.app_key,
        "sessionId": call.session_id,
        "age": max(0, now - call.create_date) // 1000,
    }
