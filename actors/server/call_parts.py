"""What sessions need for calls, if the operator has named SIP servers."""

import time

from actors.calls.call_desk import CallDesk, fraud_limits
from actors.calls.services import CallServices
from actors.calls.sip_endpoint import SipEndpoint
from actors.stream import StreamServices
from protocol.calls.fraud_limits import CallLimits


def open_call_desk(endpoint: SipEndpoint | None, streams: StreamServices) -> CallDesk | None:
    """The desk of an endpoint; None while SIP is off."""
    if endpoint is None:
        return None
    services = CallServices(
        plane=streams.plane,
        supervisor=streams.supervisor,
        streams=streams,
        settings=streams.settings,
        limits=CallLimits(fraud_limits(streams.settings)),
        wall_clock=time.time,
        overload=streams.overload,
        drain=streams.drain,
    )
    return CallDesk(services, endpoint)
