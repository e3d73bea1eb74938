"""Addresses, ports and networks as values of settings."""

from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TypeVar

from attrs import field, frozen

from config.values.kinds import Integer, items_of
from protocol.access.client_address import IpNetwork, TrustedProxies
from protocol.hooks.networks import HookNetworks

T = TypeVar("T")


@frozen
class Address:
    """An IP address to listen on, in its canonical form, or nothing (None): every address of the machine."""

    allowed: str = field(default="an IPv4 or IPv6 address, or empty for every address", init=False)

    def read(self, text: str) -> str | None:
        return canonical_address(text.removeprefix("[").removesuffix("]")) if text else None


@frozen
class Port:
    """A TCP port, 0 for any free one, or nothing (None)."""

    allowed: str = field(default="a whole number from 0 to 65535; or empty", init=False)

    def read(self, text: str) -> int | None:
        return Integer(0, 65535).read(text) if text else None


@frozen
class Proxies:
    """Addresses and networks of trusted proxies."""

    allowed: str = field(
        default="IP addresses and networks such as 10.0.0.0/8, separated by commas; or empty", init=False
    )

    def read(self, text: str) -> TrustedProxies:
        return TrustedProxies(tuple(_each_once(map(_network, items_of(text)))))

    def remarks(self, text: str) -> Iterator[str]:
        for network in self.read(text).networks:
            if not network.prefixlen:
                yield f"{network} trusts everybody: any client can claim any address"


@frozen
class BackendNetworks:
    """Addresses and networks that hooks may go to."""

    allowed: str = field(
        default="IP addresses and networks such as 10.0.0.0/8, separated by commas; or empty", init=False
    )

    def read(self, text: str) -> HookNetworks:
        return HookNetworks(tuple(_each_once(map(_network, items_of(text)))))


@frozen
class AddressPair:
    """An address told to peers, and the address of this machine that receives for it (None: the same one)."""

    public: str
    local: str | None = None


@frozen
class LocalAddresses:
    """Addresses of this machine that media sockets are bound to."""

    allowed: str = field(default="IPv4 or IPv6 addresses of this machine, separated by commas; or empty", init=False)

    def read(self, text: str) -> tuple[str, ...]:
        return () if _is_every_address(text) else tuple(_each_once(map(media_address, items_of(text))))

    def remarks(self, text: str) -> Iterator[str]:
        return _remarks_on_every_address(text)


@frozen
class AddressPairs:
    """Addresses told to peers, each alone or as `public/local`."""

    allowed: str = field(
        default="IPv4 or IPv6 addresses, each alone or as public/local, separated by commas; or empty", init=False
    )

    def read(self, text: str) -> tuple[AddressPair, ...]:
        return () if _is_every_address(text) else tuple(_each_once(map(_pair, items_of(text))))

    def remarks(self, text: str) -> Iterator[str]:
        return _remarks_on_every_address(text)


def _is_every_address(text: str) -> bool:
    """How WCS writes that no address was chosen."""
    try:
        return ip_address(text).is_unspecified
    except ValueError:
        return False


def _remarks_on_every_address(text: str) -> Iterator[str]:
    if _is_every_address(text):
        yield f"{text} is treated as empty: every address of this machine"


def canonical_address(text: str) -> str:
    """The canonical spelling of an IP address. Raises ValueError for anything else, host names included."""
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError("is not an IP address") from None


def media_address(text: str) -> str:
    """An address that a peer can send media to. Raises ValueError for one that names no single interface."""
    address = ip_address(canonical_address(text))
    if address.is_unspecified or address.is_multicast:
        raise ValueError(f"has {text}, which is not the address of one interface")
    if isinstance(address, IPv6Address) and (address.is_link_local or address.scope_id):
        raise ValueError(f"has {text}, a link-local address, which browsers cannot use")
    return str(address)


def _pair(text: str) -> AddressPair:
    public, slash, local = (part.strip() for part in text.partition("/"))
    if not slash:
        return AddressPair(media_address(public))
    pair = AddressPair(media_address(public), media_address(local))
    if (":" in public) != (":" in local):
        raise ValueError(f"pairs IPv4 with IPv6 in {text!r}")
    return pair


def _network(text: str) -> IpNetwork:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"has {text!r}, which is neither an address nor a network") from None
    if "/" in text and str(network.network_address) != canonical_address(text.partition("/")[0]):
        raise ValueError(f"has {text}, whose network is {network}")
    if network.version == 6 and network.network_address.ipv4_mapped:
        raise ValueError(f"has {text}, which must be written as IPv4")
    return network


def _each_once(items: "map[T]") -> list[T]:
    found = list(items)
    if len(set(found)) < len(found):
        raise ValueError("names an address twice")
    return found
