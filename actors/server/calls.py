"""What calls need, if the operator has named SIP servers: the endpoint, and what sessions and operators do with it."""

import time
from collections.abc import Callable, Iterable
from functools import partial

from actors.calls.all_calls.services import CallServices
from actors.calls.by_rest.call_control import CallControl
from actors.calls.pages.call_desk import CallDesk, fraud_limits
from actors.calls.pages.parking import CallParking
from actors.calls.sip.access import SipAccess
from actors.calls.sip.endpoint import SipEndpoint
from actors.calls.sip.sockets import SipSockets
from actors.calls.sip.transport import SipTransport
from actors.net.network_interfaces import machine_addresses
from actors.node.control import LocalNode
from actors.node.supervisor import Supervisor
from actors.session.requests.calls import SessionCalls
from actors.stream import StreamServices
from config.media_addresses import media_addresses
from config.settings import Settings
from protocol.calls.fraud_limits import CallLimits


def open_sip(
    sockets: SipSockets | None, settings: Settings, own_addresses: Callable[[], Iterable[str]]
) -> SipEndpoint | None:
    """The endpoint of the opened sockets; None while SIP is off."""
    if sockets is None:
        return None
    access = SipAccess(settings.sip_servers, own=own_addresses)
    named = media_addresses(settings, machine_addresses()) if settings.ip or settings.ip_local else ()
    public = {address.local: address.public for address in named}
    return SipEndpoint(sockets.port, settings, access, partial(SipTransport, sockets, settings, access), public=public)


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


def open_parking(streams: StreamServices, node: LocalNode) -> CallParking[SessionCalls]:
    """Where calls wait for clients that are away; they are put out as those that are there."""
    parking: CallParking[SessionCalls] = CallParking(streams.settings, streams.drain, streams.bans)
    node.end_absent = parking.terminate
    return parking


def call_control(desk: CallDesk | None, endpoint: SipEndpoint | None, supervisor: Supervisor) -> CallControl | None:
    """What operators see of calls and do to them; None while SIP is off."""
    return None if desk is None or endpoint is None else CallControl(desk.services.table, supervisor, endpoint.accounts)
