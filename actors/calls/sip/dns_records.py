"""The records of DNS about SIP servers, asked for by dnspython on trio; a domain without any is the usual case."""

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.resolver
import trio
from attrs import define, field

from actors.runtime.logs import get_logger
from protocol.sip.accounts.locating import NaptrRecord, ServerPlace, SrvRecord, ordered, places, services_of

LOOKUP_TIMEOUT: Final = 2.0
"""Seconds for the answer to one question; without an answer, it is as if there were no records."""
SHORTEST, LONGEST = 60.0, 3_600.0
"""Seconds for which answers are kept, whatever the records say."""
MAX_KNOWN: Final = 1_000
MAX_RECORDS: Final = 64
"""Records of one answer that are looked at."""


log = get_logger("sip")


class NoDnsAnswer(Exception):
    """DNS does not answer, or not so that it can be understood."""


class RecordLookup(Protocol):
    """Answers of DNS, and the seconds for which they hold; empty for a name without records. Raises NoDnsAnswer."""

    async def srv(self, name: str) -> tuple[Sequence[SrvRecord], float]: ...
    async def naptr(self, name: str) -> tuple[Sequence[NaptrRecord], float]: ...


class DnsLookup:
    """By the name servers of the system, or `resolver`. Nothing is read before the first question."""

    def __init__(self, resolver: dns.asyncresolver.Resolver | None = None) -> None:
        self._resolver = resolver
        self._backend = dns.asyncbackend.get_backend("trio")

    async def srv(self, name: str) -> tuple[Sequence[SrvRecord], float]:
        """The SRV records of a name."""
        found, ttl = await self._ask(name, "SRV")
        records = [
            SrvRecord(priority=each.priority, weight=each.weight, port=each.port, target=each.target.to_text())
            for each in found
        ]
        return records, ttl

    async def naptr(self, name: str) -> tuple[Sequence[NaptrRecord], float]:
        """The NAPTR records of a domain."""
        found, ttl = await self._ask(name, "NAPTR")
        records = [
            NaptrRecord(
                order=each.order,
                preference=each.preference,
                flags=each.flags.decode("ascii", "replace"),
                service=each.service.decode("ascii", "replace"),
                replacement=each.replacement.to_text(),
            )
            for each in found
        ]
        return records, ttl

    async def _ask(self, name: str, kind: str) -> tuple[list[Any], float]:
        try:
            if self._resolver is None:
                self._resolver = dns.asyncresolver.Resolver()
            answer = await self._resolver.resolve(
                f"{name}.", kind, lifetime=LOOKUP_TIMEOUT, raise_on_no_answer=False, backend=self._backend
            )
        except dns.resolver.NXDOMAIN:
            return [], SHORTEST
        except (dns.exception.DNSException, OSError) as error:
            raise NoDnsAnswer(str(error)) from error
        found = [] if answer.rrset is None else list(answer.rrset)[:MAX_RECORDS]
        return found, float(answer.chaining_result.minimum_ttl)


@define(eq=False)
class _KnownDomain:
    asking: trio.Lock = field(factory=trio.Lock)
    services: Sequence[tuple[str, Sequence[SrvRecord]]] = ()
    fresh_until: float = -math.inf


class ServerRecords:
    """The servers of domains, as their records name them; what is known is asked for again when it holds no more."""

    def __init__(self, lookup: RecordLookup, uniform: Callable[[float, float], float]) -> None:
        self._lookup, self._uniform = lookup, uniform
        self._domains: OrderedDict[tuple[str, str | None], _KnownDomain] = OrderedDict()

    async def places(self, host: str, transport: str | None) -> list[ServerPlace]:
        """In the order to try them, by this transport or any; empty for a domain without records."""
        known = self._domains.setdefault((host, transport), _KnownDomain())
        self._domains.move_to_end((host, transport))
        if len(self._domains) > MAX_KNOWN:
            self._domains.popitem(last=False)
        if trio.current_time() >= known.fresh_until:
            async with known.asking:
                if trio.current_time() >= known.fresh_until:
                    await self._ask(known, host, transport)
        return places((chosen, ordered(records, self._uniform)) for chosen, records in known.services)

    async def _ask(self, known: _KnownDomain, host: str, transport: str | None) -> None:
        """Without an answer, what was known holds on for a while."""
        held: list[float] = []
        try:
            naptr, ttl = await self._lookup.naptr(host)
            held.append(ttl)
            services = []
            for chosen, name in services_of(host, transport, naptr):
                records, ttl = await self._lookup.srv(name)
                held.append(ttl)
                services.append((chosen, records))
            known.services = services
        except NoDnsAnswer as error:
            held = [SHORTEST]
            log.debug("DNS has no answer about a SIP server", host=host, why=str(error))
        known.fresh_until = trio.current_time() + min(LONGEST, max(SHORTEST, min(held)))
