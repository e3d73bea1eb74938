"""Starts a call for any kind of owner."""

from actors.calls.all_calls.services import CallServices
from actors.calls.call import PhoneCall
from actors.runtime.actor import ActorStopped
from protocol.calls.info_texts import CallInfo, CallRefused


def start_call(call: PhoneCall, services: CallServices) -> None:
    """Run the call from now on. Raises CallRefused; then its place is still to be given back."""
    services.table.add(call)
    try:
        services.supervisor.adopt_other("call", call)
    except ActorStopped:
        services.table.remove(call)
        raise CallRefused(CallInfo.SERVER_IS_DRAINING, sip_status=503) from None
    services.counts.began(incoming=call.describe().incoming)
