"""Which sources clients may name (`capture.allow`), so that no stranger has the server look at what he cannot reach.

A list of host names, `*.example.com`, `*`, addresses and networks. What counts in the end is the address that a
connection is made to. Loopback, link-local, multicast and metadata addresses and those of the server are out of reach,
unless an address or a network within them is listed. Operators may name any source.
"""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from attrs import frozen

from protocol.capture.uri import BadCaptureUri, read_host
from protocol.common.networks import LINK_LOCAL_AND_METADATA, Network, is_in, is_opened, reached_address

SETTING: Final = "capture.allow"
DENIED: Final[tuple[Network, ...]] = (
    *LINK_LOCAL_AND_METADATA,
    ip_network("127.0.0.0/8"),
    ip_network("0.0.0.0/8"),
    ip_network("::/96"),  # unspecified, loopback, and IPv4 addresses in a form that is not used any more
    ip_network("2002::/16"),  # 6to4: an IPv4 address is in it
    ip_network("224.0.0.0/4"),  # multicast
    ip_network("ff00::/8"),
    ip_network("240.0.0.0/4"),  # reserved, and broadcast
)
_PRIVATE: Final = tuple(map(IPv4Network, ("10.0.0.0/8", "127.0.0.0/8", "172.16.0.0/12")))
_UNIQUE_LOCAL: Final = IPv6Network("fc00::/7")


@frozen
class CaptureRules:
    """`names` are in lower case: `*`, a host name, or `*.` and one, which stands for all hosts below it."""

    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    def may_resolve(self, host: str) -> bool:
        """Whether a client may name this host, if its address turns out to be allowed."""
        if _is_address(host):
            return self.allows(host, host)
        return self._has_name(host) or bool(self.networks)

    def allows(self, host: str, address: str, own: Iterable[str] = ()) -> bool:
        """Whether a connection to `address`, at which `host` is said to be, may be made. `own`: the server's."""
        reached = reached_address(address)
        if not (self._has_name(host) or is_in(reached, self.networks)):
            return False
        denied = (*DENIED, *(ip_network(reached_address(each)) for each in own))
        return is_opened(reached, listed=self.networks, denied=denied)

    def names_address(self, host: str) -> bool:
        """Whether `host` is an address, and it or its network is listed."""
        return _is_address(host) and is_in(reached_address(host), self.networks)

    def trusts_address(self, host: str) -> bool:
        """The same, but for networks so wide that strangers are in them, whose sources could lead anywhere."""
        narrow = (network for network in self.networks if not _is_wide(network))
        return _is_address(host) and is_in(reached_address(host), narrow)

    def _has_name(self, host: str) -> bool:
        labels = host.split(".")
        below = {f"*.{'.'.join(labels[start:])}" for start in range(1, len(labels))}
        return not self.names.isdisjoint({"*", host} | (set() if _is_address(host) else below))


def _is_wide(network: Network) -> bool:
    """Whether machines of strangers are in it: neither private nor, at most, a /16 (IPv6: a /48)."""
    if isinstance(network, IPv4Network):
        return network.prefixlen < 16 and not any(network.subnet_of(each) for each in _PRIVATE)
    return network.prefixlen < 48 and not network.subnet_of(_UNIQUE_LOCAL)


NOBODY: Final = CaptureRules()
"""Clients may name no source at all."""


def read_rules(items: Iterable[str]) -> CaptureRules:
    """Read the list. Raises ValueError, whose text completes "the setting ..."."""
    names, networks = set(), []
    for item in items:
        network = _network(item)
        if network is not None:
            networks.append(network)
        else:
            names.add(_name(item))
    return CaptureRules(frozenset(names), tuple(networks))


def _network(text: str) -> Network | None:
    try:
        return ip_network(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        if "/" in text:
            raise ValueError(f"has {text!r}, which is no network such as 192.168.1.0/24") from None
        return None


def _name(text: str) -> str:
    if text == "*":
        return text
    wild, dot, host = text.rpartition("*.")
    try:
        name = read_host(host)
    except BadCaptureUri:
        name = ""
    if not name or wild or _is_address(name):
        raise ValueError(f"has {text!r}, which is no host name, *.NAME, address or network")
    return f"{'*.' if dot else ''}{name}"


def _is_address(host: str) -> bool:
    try:
        reached_address(host)
    except ValueError:
        return False
    return True
