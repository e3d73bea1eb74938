"""Which servers a domain has for SIP, by its records in DNS (RFC 3263, RFC 2782).

A domain may say which transports it takes and which of them it prefers (NAPTR), and name several servers for each, to
be tried in turn or by weight (SRV). One that says nothing has one server, at its own address. Who names a port, or an
address, does not want to know.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from attrs import frozen

from protocol.sip.messages.headers import DEFAULT_PORT, TLS_PORT

SERVICES: Final[Mapping[str, str]] = {"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"}
"""By transport, in the order in which they are taken where the domain has no preference."""
MAX_SERVERS: Final = 8
"""Servers of one domain that are tried."""
_NAPTR: Final[Mapping[str, str]] = {"sip+d2u": "udp", "sip+d2t": "tcp", "sips+d2t": "tls"}


@frozen(kw_only=True)
class SrvRecord:
    """A server: `target` is a host name, "." for none at all. Lower priorities come first."""

    priority: int
    weight: int
    port: int
    target: str


@frozen(kw_only=True)
class NaptrRecord:
    """A transport that a domain takes: `service` such as SIP+D2U, `replacement` the name of its SRV records."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


@frozen(kw_only=True)
class ServerPlace:
    """A server whose address is still to be found."""

    transport: str
    host: str
    port: int


def place_without_records(host: str, port: int | None, transport: str | None) -> ServerPlace:
    """The one server of a domain without records, or whose port is known."""
    chosen = transport or "udp"
    return ServerPlace(transport=chosen, host=host, port=port or (TLS_PORT if chosen == "tls" else DEFAULT_PORT))


def services_of(host: str, transport: str | None, naptr: Iterable[NaptrRecord]) -> list[tuple[str, str]]:
    """The transports to take in turn, each with the name of its SRV records. `transport`: the only one wanted."""
    usable = [each for each in naptr if each.flags.lower() == "s" and each.service.lower() in _NAPTR]
    usable.sort(key=lambda each: (each.order, each.preference))
    named = [(_NAPTR[each.service.lower()], each.replacement.rstrip(".")) for each in usable]
    every = named or [(each, f"{prefix}.{host}") for each, prefix in SERVICES.items()]
    return [each for each in every if transport in (None, each[0])]


def ordered(records: Iterable[SrvRecord], uniform: Callable[[float, float], float]) -> list[SrvRecord]:
    """The servers in the order to try them: by priority, and within one at random by weight (RFC 2782)."""
    found: list[SrvRecord] = []
    left = sorted(records, key=lambda each: (each.priority, each.weight))
    while left:
        group = [each for each in left if each.priority == left[0].priority]
        chosen = _weighted(group, uniform)
        left.remove(chosen)
        found.append(chosen)
    return found


def places(services: Iterable[tuple[str, Sequence[SrvRecord]]]) -> list[ServerPlace]:
    """The servers of a domain, by transport in its order; empty if it names none. `.` is no server."""
    found = [
        ServerPlace(transport=transport, host=record.target.rstrip(".").lower(), port=record.port)
        for transport, records in services
        for record in records
        if record.target.rstrip(".") and 0 < record.port < 65_536
    ]
    return found[:MAX_SERVERS]


def _weighted(group: Sequence[SrvRecord], uniform: Callable[[float, float], float]) -> SrvRecord:
    reached, wanted = 0, uniform(0, sum(each.weight for each in group))
    for each in group:
        reached += each.weight
        if reached >= wanted:
            return each
    return group[-1]
