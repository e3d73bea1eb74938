"""Whose a network address is, as far as limits are concerned."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address


def client_key(address: str) -> str:
    """Whom a limit for each client counts: an IPv4 address, or the network of 64 bits that one IPv6 customer has."""
    plain = _plain(address)
    return str(plain) if isinstance(plain, IPv4Address) else str(IPv6Network((plain, 64), strict=False))


def is_loopback(address: str) -> bool:
    """Whether the peer of this address is on this machine."""
    return _plain(address).is_loopback


def _plain(address: str) -> IPv4Address | IPv6Address:
    """Without a scope, and as IPv4 where it came as such over an IPv6 socket."""
    plain = ip_address(address.partition("%")[0])
    return (plain.ipv4_mapped or plain) if isinstance(plain, IPv6Address) else plain
