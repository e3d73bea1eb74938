"""Starts a call for any kind of owner."""

import trio

from actors.calls.call import PhoneCall
from actors.calls.services import CallServices
from actors.runtime.actor import ActorStopped
from protocol.calls.fraud_limits import CallParty, CallTicket
from protocol.calls.info_texts import CallInfo, CallRefused


def admit_call(party: CallParty, services: CallServices, *, incoming: bool = False) -> CallTicket:
    """A place for one more call. Raises CallRefused. It is for a call, or to be given back to `services.limits`."""
    if services.overload.refuses():
        raise CallRefused(CallInfo.SERVER_IS_OVERLOADED, sip_status=503)
    if services.drain.refuses():
        raise CallRefused(CallInfo.SERVER_IS_DRAINING, sip_status=503)
    return services.limits.admit(party, trio.current_time(), incoming=incoming)


def start_call(call: PhoneCall, services: CallServices) -> None:
    """Run the call from now on. Raises CallRefused; then its place is still to be given back."""
    services.table.add(call)
    try:
        services.supervisor.adopt_other("call", call)
    except ActorStopped:
        services.table.remove(call)
        raise CallRefused(CallInfo.SERVER_IS_DRAINING, sip_status=503) from None
    services.counts.began(incoming=call.describe().incoming)
