"""Who a client is when trusted proxies are in between.

A proxy names the client it forwards for: in the header `X-Forwarded-For`, or in front of the connection by the PROXY
protocol (`proxy_protocol.py`). Anybody can send such a header, so one counts only if it comes from an address that the
operator trusts. Each proxy appends the address it was called from:

    X-Forwarded-For: <whatever the client sent>, <client>, <first proxy>     from: <second proxy>

Read from the right, the first address that is not trusted is the client; everything to the left of it may be forged.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from attrs import evolve, frozen

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

MAX_HOPS: Final = 32
"""Entries of X-Forwarded-For that are read, from the right."""

_WITH_PORT: Final = re.compile(r"(?:\[(?P<ipv6>[^\[\]]*)\]|(?P<ipv4>[0-9.]+))(?::(?P<port>[0-9]{1,5}))?")
_LOOPBACK_4: Final = IPv4Network("127.0.0.0/8")
_LOOPBACK_6: Final = IPv6Network("::1/128")


@frozen(kw_only=True)
class ClientAddress:
    """Where a client is: its IP address (IPv4 also where it came over an IPv6 socket) and its port."""

    address: str
    port: int = 0
    """0: unknown."""
    is_forwarded: bool = False
    """Whether a proxy has named it; else it is the other end of the TCP connection."""
    is_secure: bool = False
    """Whether the proxy said that the client uses TLS."""


@frozen
class TrustedProxies:
    """The addresses and networks whose word on a client's address is taken."""

    networks: tuple[IpNetwork, ...] = ()

    def trusts(self, address: str) -> bool:
        """Whether `address` is one of them."""
        return any(plain_address(address) in network for network in self.networks)

    @property
    def trusts_this_machine(self) -> bool:
        """Whether a program on this machine may be a proxy: then a loopback address does not tell who the client is."""
        return any(_includes_loopback(network) for network in self.networks)

    def client_of(self, peer: ClientAddress, forwarded_for: Sequence[str]) -> ClientAddress:
        """The client on whose behalf `peer` calls; `forwarded_for` holds the values of X-Forwarded-For, in order.

        That is the right-most address that is not trusted. If there is none, or an entry is no address (`unknown`),
        it is the last trusted one before that.
        """
        client = peer
        if not forwarded_for or not self.trusts(peer.address):
            return client
        for entry in reversed(",".join(forwarded_for).rsplit(",", MAX_HOPS)[-MAX_HOPS:]):
            named = _read_entry(entry)
            if named is None:
                break
            client = evolve(named, is_secure=peer.is_secure)
            if not self.trusts(client.address):
                break
        return client

    def scheme_of(self, peer: ClientAddress, scheme: str, forwarded_proto: Sequence[str]) -> str:
        """`http` or `https`, as the client called: by X-Forwarded-Proto from a trusted proxy, or by the PROXY protocol.

        Else it is `scheme`, that of the listener. A header that is given twice, or says anything else, is ignored.
        """
        named = forwarded_proto[0].strip().lower() if len(forwarded_proto) == 1 else ""
        if named in ("http", "https") and self.trusts(peer.address):
            return named
        return "https" if peer.is_secure else scheme

    def is_on_this_machine(self, client: ClientAddress) -> bool:
        """Whether the client is a program on this machine: a loopback address that no proxy can have named or be at."""
        is_loopback = plain_address(client.address).is_loopback
        return is_loopback and not client.is_forwarded and not self.trusts(client.address)


def plain_address(address: str) -> IpAddress:
    """The address without its zone; an IPv4 address mapped into IPv6 as plain IPv4. Raises ValueError for any other."""
    plain = ip_address(address.partition("%")[0])
    return (plain.ipv4_mapped or plain) if isinstance(plain, IPv6Address) else plain


def _read_entry(entry: str) -> ClientAddress | None:
    """`address`, `IPv4:port` or `[IPv6]:port`, in quotes or not; None for anything else."""
    text = entry.strip().strip('"')
    found = _WITH_PORT.fullmatch(text)
    host, port = (found["ipv6"] or found["ipv4"] or "", int(found["port"] or 0)) if found else (text, 0)
    try:
        address = str(plain_address(host))
    except ValueError:
        return None
    return ClientAddress(address=address, port=port if port < 65_536 else 0, is_forwarded=True)


def _includes_loopback(network: IpNetwork) -> bool:
    return network.overlaps(_LOOPBACK_4) if isinstance(network, IPv4Network) else network.overlaps(_LOOPBACK_6)
