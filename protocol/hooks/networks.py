"""Which addresses hooks may go to (`rest.hook_networks`), so that whoever can set a URL cannot reach what he must not.

Link-local addresses and those at which clouds tell a machine its secrets are out of reach, unless a network within them
is listed. If any is listed, hooks go to listed networks only. What counts is the address that a connection is made to,
not the name it was found by: a name may mean one thing when it is checked and another when it is used.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from attrs import frozen

Network = IPv4Network | IPv6Network

DENIED: Final[tuple[Network, ...]] = (
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


@frozen
class HookNetworks:
    """The networks that are listed; none: all but those DENIED."""

    listed: tuple[Network, ...] = ()

    def allows(self, address: str) -> bool:
        """Whether a hook may be sent to this address, an IPv4 or IPv6 address as text."""
        plain = _plain(address)
        if not self.listed:
            return not _is_in(plain, DENIED)
        within = [network for network in self.listed if plain in network]
        denying = [network for network in DENIED if plain in network]
        return bool(within) and all(any(_covers(denied, network) for network in within) for denied in denying)


ANY_BACKEND: Final = HookNetworks()


def _plain(address: str) -> IPv4Address | IPv6Address:
    """Without a zone, and the IPv4 address in an IPv6 address that stands for one."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv4Address):
        return found
    if _is_in(found, _NAT64):
        return IPv4Address(int(found) & 0xFFFF_FFFF)
    return found.ipv4_mapped or found


def _is_in(address: IPv4Address | IPv6Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)


def _covers(outer: Network, inner: Network) -> bool:
    if isinstance(outer, IPv4Network):
        return isinstance(inner, IPv4Network) and inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and inner.subnet_of(outer)
