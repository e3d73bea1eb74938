"""IP addresses that a URL from outside may lead to: shared by hooks and captures.

What counts is the address that a connection is made to, not the name it was found by: a name may mean one thing when
it is checked and another when it is used.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network
IpAddress = IPv4Address | IPv6Address

LINK_LOCAL_AND_METADATA: Final[tuple[Network, ...]] = (
    ip_network(
        "169.254.0.0/16"
    ),  # link-local; AWS, Azure, Google, OpenStack and others tell secrets at 169.254.169.254
    ip_network("fe80::/10"),  # link-local
    ip_network("fd00:ec2::254/128"),  # AWS
    ip_network("fd20:ce::254/128"),  # Google
    ip_network("100.100.100.200/32"),  # Alibaba
    ip_network("168.63.129.16/32"),  # Azure
    ip_network("192.0.0.192/32"),  # Oracle
)
_NAT64: Final = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
"""RFC 6052, and RFC 8215 for private addresses: in both the last 32 bits are the IPv4 address, for prefixes of 96."""


def reached_address(address: str) -> IpAddress:
    """Without a zone, and the IPv4 address in an IPv6 address that stands for one. ValueError: not an address."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv4Address):
        return found
    if is_in(found, _NAT64):
        return IPv4Address(int(found) & 0xFFFF_FFFF)
    return found.ipv4_mapped or found


def is_in(address: IpAddress, networks: Iterable[Network]) -> bool:
    """Whether the address is in one of these networks."""
    return any(address in network for network in networks)


def is_opened(address: IpAddress, *, listed: Iterable[Network], denied: Iterable[Network]) -> bool:
    """Whether every denied network that holds the address has a listed one within it that holds it too."""
    within = [network for network in listed if address in network]
    return all(any(_covers(outer, network) for network in within) for outer in denied if address in outer)


def _covers(outer: Network, inner: Network) -> bool:
    if isinstance(outer, IPv4Network):
        return isinstance(inner, IPv4Network) and inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and inner.subnet_of(outer)
