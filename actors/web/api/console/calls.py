"""What the console shows of calls by SIP and of registrations: those of this node."""

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from attrs import frozen

from actors.node.ports.call_control import CallControlPort
from protocol.calls.description import CallDescription
from protocol.calls.filters import CallFilter
from protocol.sip.account_states import RegistrationState

MAX_CALLS: Final = 500
"""Rows that a console gets; the oldest calls first."""

Apps = frozenset[str] | None


@frozen
class ConsoleCalls:
    """See above. `port` is None while SIP is off; `clock` gives milliseconds since the epoch."""

    port: CallControlPort | None
    clock: Callable[[], int]

    def line(self, apps: Apps) -> dict[str, Any] | None:
        """How many calls there are, and, for whoever may see everything, registrations. None: SIP is off."""
        if self.port is None:
            return None
        return {"calls": len(self.port.matching(CallFilter(app_keys=apps))), "registrations": self._registrations(apps)}

    def table(self, apps: Apps) -> dict[str, Any]:
        """The calls as rows."""
        found = () if self.port is None else self.port.matching(CallFilter(app_keys=apps))
        now = self.clock()
        return {"total": len(found), "calls": [_row(call, now) for call in found[:MAX_CALLS]]}

    def _registrations(self, apps: Apps) -> dict[str, int] | None:
        if self.port is None or apps is not None:
            return None
        counts = Counter(each.state for each in self.port.registrations())
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
