"""What calls need: the SIP endpoint, if the operator has named servers."""

from collections.abc import Callable, Iterable
from functools import partial

from actors.calls.sip.access import SipAccess
from actors.calls.sip.endpoint import SipEndpoint
from actors.calls.sip.sockets import SipSockets
from actors.calls.sip.transport import SipTransport
from actors.net.network_interfaces import machine_addresses
from config.media_addresses import media_addresses
from config.settings import Settings


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
