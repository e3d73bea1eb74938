"""Where media may be sent to: SDP is written by strangers, and RTP carries what a page says (SSRF by media)."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final

from protocol.common.networks import LINK_LOCAL_AND_METADATA, is_in, reached_address

_NOBODY: Final = (ip_network("0.0.0.0/8"), ip_network("240.0.0.0/4"), ip_network("::/128"))  # RFC 6890; with broadcast


def may_be_sent_media(address: str, signalling: Iterable[str]) -> bool:
    """Whether an IP address may be a phone's, if its SIP comes from these hosts.

    Never one that many listen at. This machine and link-local addresses, only if SIP comes from there as well.
    """
    reached = reached_address(address)
    if reached.is_multicast or is_in(reached, _NOBODY):
        return False
    if reached.is_loopback:
        return any(each.is_loopback for each in _reached(signalling))
    return not is_in(reached, LINK_LOCAL_AND_METADATA) or reached in _reached(signalling)


def is_hidden(address: str, signalling: Iterable[str]) -> bool:
    """Whether this address means something only in a network that the call's SIP does not come from."""
    return not _is_global(address) and all(map(_is_global, signalling))


def _is_global(host: str) -> bool:
    try:
        return reached_address(host).is_global
    except ValueError:  # a name
        return True


def _reached(hosts: Iterable[str]) -> tuple[IPv4Address | IPv6Address, ...]:
    return tuple(reached_address(host) for host in hosts)
