"""Which addresses media uses (`ip`, `ip_local` and the machine's own, joined into pairs), and whose an address is."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Literal

from attrs import frozen

from config.settings import Settings
from config.values.addresses import AddressPair
from protocol.access.client_address import plain_address


@frozen(kw_only=True)
class MediaAddress:
    """An address given to peers, and the local address its socket is bound to."""

    public: str
    local: str


def media_addresses(settings: Settings, machine: Sequence[str]) -> tuple[MediaAddress, ...]:
    """The addresses to open media sockets on; `machine` holds those of this machine.

    Raises ValueError, worded for the operator, for an address the machine does not have.
    """
    pairs = paired(settings.ip, settings.ip_local) or tuple(AddressPair(own) for own in machine)
    found = tuple(
        MediaAddress(public=pair.public, local=pair.local or behind_nat(pair.public, machine) or pair.public)
        for pair in pairs
    )
    for address in found:
        if address.local not in machine and not ip_address(address.local).is_loopback:
            raise ValueError(_not_ours(address, machine))
    return found


def paired(ip: Sequence[AddressPair], ip_local: Sequence[str]) -> tuple[AddressPair, ...]:
    """Join both settings. Raises ValueError if they contradict each other."""
    if not ip or not ip_local:
        return tuple(ip) or tuple(AddressPair(local) for local in ip_local)
    if len(ip) != len(ip_local):
        raise ValueError(f"has {len(ip_local)} addresses, ip has {len(ip)}; allowed: one for each in ip, in its order")
    if any(pair.local for pair in ip):
        raise ValueError("ip already has local addresses; allowed: public/local pairs in ip, or ip_local, not both")
    if any((":" in pair.public) != (":" in local) for pair, local in zip(ip, ip_local, strict=True)):
        raise ValueError("pairs IPv4 with IPv6; allowed: for each address in ip one of the same family")
    return tuple(AddressPair(pair.public, local) for pair, local in zip(ip, ip_local, strict=True))


def behind_nat(public: str, machine: Sequence[str]) -> str | None:
    """Where media for a public address that the machine does not have arrives: at its only private one of the family.

    Settings files of WCS have such an address alone, with ip_local=0.0.0.0. None: it is the machine's, or there is no
    single one that could be meant.
    """
    wanted = ip_address(public)
    if public in machine or not wanted.is_global:
        return None
    own = [each for each in map(ip_address, machine) if each.version == wanted.version and not each.is_loopback]
    return str(own[0]) if len(own) == 1 and not own[0].is_global else None


def _not_ours(address: MediaAddress, machine: Sequence[str]) -> str:
    hint = "" if address.local != address.public else f" (behind NAT: ip={address.public}/LOCAL)"
    return f"{address.local} is not an address of this machine{hint}; it has {', '.join(machine) or 'none'}"


def client_key(address: str) -> str:
    """The key that per-address limits count by: an IPv4 address, or the /64 network of one IPv6 customer."""
    plain = plain_address(address)
    return str(plain) if isinstance(plain, IPv4Address) else str(IPv6Network((plain, 64), strict=False))


def serves_this_machine_only(settings: Settings, listener: Literal["ws", "wss", "http", "https"]) -> bool:
    """Whether a listener can be reached by programs on this machine alone, so that its clients need no credentials.

    It listens on loopback, and no proxy forwards to it: none is trusted on this machine, and it does not require the
    PROXY protocol.
    """
    address: str | None = getattr(settings, f"{listener}_address")
    is_proxied: bool = getattr(settings, f"{listener}_proxy_protocol") or settings.trusted_proxies.trusts_this_machine
    return address is not None and plain_address(address).is_loopback and not is_proxied
