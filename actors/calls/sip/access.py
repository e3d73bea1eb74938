"""Which SIP servers there are, where they are, and who may send to us.

Names are resolved here, and each address is looked at before it is used. What comes in is taken from the addresses of
listed servers, and from those to which a request of ours went in the last hour: a live registration or call refreshes
itself more often than that.
"""

import contextlib
import random
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

import trio

from actors.calls.sip.dns_records import DnsLookup, ServerRecords
from actors.calls.sip.known_ways import KnownWays
from actors.net.resolver import CannotResolve, Resolver
from actors.runtime.logs import RateLimitedLog, get_logger
from protocol.common.networks import reached_address
from protocol.sip.accounts.locating import ServerPlace, place_without_records
from protocol.sip.accounts.servers import SETTING, SipServer, SipServers
from protocol.sip.transactions.machines import Hop

REMEMBERED: Final = 3_600.0
"""Seconds that the address of a request's target is trusted to answer and to call."""
MAX_REMEMBERED: Final = 10_000
MAX_HOPS: Final = 16
"""Servers of one domain that are tried, whatever DNS says."""
RENEWAL: Final = 60.0
"""Seconds after which listed names are resolved again."""

log = get_logger("sip")


class SipUnreachable(Exception):
    """There is no server to send to; the text says why."""


class SipForbidden(SipUnreachable):
    """SIP must not go there (`sip.servers`)."""


class SipAccess:
    """See above. `own`: the addresses of this server as of now."""

    def __init__(
        self,
        servers: SipServers,
        *,
        own: Callable[[], Iterable[str]],
        resolver: Resolver | None = None,
        records: ServerRecords | None = None,
    ) -> None:
        self.servers = servers
        self._own = own
        self._resolver = resolver or Resolver()
        self._records = records or ServerRecords(DnsLookup(), uniform)
        self.ways = KnownWays()
        self._listed: dict[str, SipServer] = {}
        self._used: OrderedDict[str, float] = OrderedDict()
        self.denied = 0
        """How often somebody was kept from a server."""
        self._log = RateLimitedLog(log, clock=trio.current_time)

    async def run(self) -> None:
        """Keep the addresses of listed servers known."""
        while True:
            await self.renew()
            await trio.sleep(RENEWAL)

    async def renew(self) -> None:
        """Resolve the names of listed servers; one that cannot be resolved keeps its addresses."""
        for server in self.servers.servers:
            found: list[str] = []
            for place in await self._places(server.host, None, None):
                with contextlib.suppress(CannotResolve):
                    found += await self._resolver.resolve(place.host)
            if not found:
                self._log.warning("SIP server has no address", host=server.host)
                continue
            self._listed = {address: known for address, known in self._listed.items() if known is not server}
            self._listed |= dict.fromkeys(map(_plain, found), server)

    async def hops(self, host: str, port: int | None = None, transport: str | None = None) -> tuple[Hop, ...]:
        """The servers of a domain or proxy, in the order to try them; at least one.

        What the list says about a server comes before what is asked for, and that before what DNS says. Those that have
        just failed come last. Raises SipForbidden, SipUnreachable.
        """
        if not self.servers.may_name(host):
            raise self._forbidden(host, "not listed")
        found: list[Hop] = []
        refusal = SipUnreachable(f"{host} has no address")
        for place in await self._places(host, port, transport):
            try:
                addresses = await self.addresses(place.host, domain=host)
            except SipUnreachable as error:
                refusal = error
                continue
            found += [Hop(transport=place.transport, host=address, port=place.port, name=host) for address in addresses]
        if not found:
            raise refusal
        return self.ways.alive_first(found)[:MAX_HOPS]

    async def addresses(self, host: str, *, domain: str | None = None) -> list[str]:
        """Where a host is, as far as SIP may go there. Raises SipForbidden, SipUnreachable.

        `domain`: the one that the operator has listed, if `host` is what its records name.
        """
        try:
            found = await self._resolver.resolve(host)
        except CannotResolve:
            raise SipUnreachable(f"{host} has no address") from None
        own = tuple(self._own())
        allowed = [address for address in found if self.servers.allows(domain or host, address, own)]
        if not allowed:
            raise self._forbidden(host, f"at {', '.join(found)}")
        return allowed

    async def _places(self, host: str, port: int | None, transport: str | None) -> list[ServerPlace]:
        """The servers of a domain. Who names a port, or an address, means just that."""
        listed = self.servers.find(host)
        chosen = (listed.transport if listed else None) or transport
        number = (listed.port if listed else None) or port
        found: list[ServerPlace] = []
        if number is None and not _is_address(host):
            found = await self._records.places(host, chosen)
        return found or [place_without_records(host, number, chosen)]

    def may_reach(self, hop: Hop) -> bool:
        """Whether a request within a call may go straight to this hop; a name is still to be resolved."""
        try:
            address = _plain(hop.host)
        except ValueError:
            return self.servers.may_name(hop.host)
        return self._is_known(address) or self.servers.allows(address, address, tuple(self._own()))

    def admits(self, address: str) -> bool:
        """Whether messages from this address are looked at."""
        plain = _plain(address)
        return self._is_known(plain) or any(reached_address(plain) in each for each in self.servers.rules.networks)

    def note_use(self, address: str) -> None:
        """A request of ours goes there."""
        plain = _plain(address)
        self._used[plain] = trio.current_time()
        self._used.move_to_end(plain)
        if len(self._used) > MAX_REMEMBERED:
            self._used.popitem(last=False)

    def server_at(self, hop: Hop) -> SipServer | None:
        """What the list says about the server of a hop."""
        return self.servers.find(hop.name or hop.host) or self._listed.get(hop.host)

    def is_at(self, name: str, address: str) -> bool:
        """Whether a listed server of this name is at this address."""
        server = self._listed.get(address)
        return server is not None and server.host == name.lower()

    def takes_tcp(self, hop: Hop) -> bool:
        """Whether what is too long for UDP may go to a server by TCP: not if the operator wants UDP, or it failed."""
        server = self.server_at(hop)
        return (server is None or server.transport != "udp") and not self.ways.is_udp_only(hop)

    def _is_known(self, plain: str) -> bool:
        used = self._used.get(plain)
        return plain in self._listed or (used is not None and trio.current_time() - used < REMEMBERED)

    def _forbidden(self, host: str, why: str) -> SipForbidden:
        self.denied += 1
        self._log.warning("SIP server is not allowed", host=host, why=why, setting=SETTING)
        return SipForbidden(f"{host} is no SIP server of this machine ({SETTING})")


def _is_address(host: str) -> bool:
    try:
        _plain(host)
    except ValueError:
        return False
    return True


def _plain(address: str) -> str:
    """The address in one form, whatever family it came by. ValueError: it is a name."""
    return str(reached_address(address))


def uniform(low: float, high: float) -> float:
    """A random number that nobody can guess."""
    return random.SystemRandom().uniform(low, high)
