"""Whether clients may have a source captured, and connections to it, which are made to checked addresses only."""

from collections.abc import Callable, Iterable, Sequence

import trio

from actors.net.connecting import connect_any
from actors.net.resolver import CannotResolve, Resolver
from actors.net.tcp_stream import TcpStream
from actors.runtime.logs import RateLimitedLog, get_logger
from protocol.capture.rules import SETTING, CaptureRules

log = get_logger("capture")


class SourceDenied(Exception):
    """Clients may not have this source captured; the text is for the log."""


class SourceAccess:
    """The rules in force. `own`: the addresses of this server as of now."""

    def __init__(
        self,
        rules: Callable[[], CaptureRules],
        *,
        own: Callable[[], Iterable[str]],
        make_resolver: Callable[[], Resolver] = Resolver,
    ) -> None:
        self._rules = rules
        self._own = own
        self.make_resolver = make_resolver
        """A capture has its own, which forgets with it the names that strangers made it look up."""
        self.denied = 0
        """How often somebody was kept from a source."""
        self._log = RateLimitedLog(log, clock=trio.current_time)

    def check_host(self, host: str) -> None:
        """Whether the host may be looked up. Raises SourceDenied."""
        rules = self._rules()
        if not rules.may_resolve(host):
            raise self._denied(host, "not listed")
        if rules.names_address(host):
            self.allowed(host, (host,))

    def trusts_address(self, host: str) -> bool:
        """Whether the host is an address that is listed itself, or within a network that is, and is not wide."""
        return self._rules().trusts_address(host)

    def allowed(self, host: str, addresses: Sequence[str]) -> list[str]:
        """Those of a host's addresses to which a connection may be made. Raises SourceDenied if there is none."""
        rules, own = self._rules(), tuple(self._own())
        found = [address for address in addresses if rules.allows(host, address, own)]
        if not found:
            raise self._denied(host, f"at {', '.join(addresses)}, which is not listed or out of reach")
        return found

    async def addresses(self, host: str, resolver: Resolver) -> list[str]:
        """Where the host is, as far as it is allowed. Raises SourceDenied, CannotResolve."""
        self.check_host(host)
        return self.allowed(host, await resolver.resolve(host))

    async def connect(self, host: str, port: int, resolver: Resolver) -> TcpStream:
        """Connect to it. Raises SourceDenied, OSError."""
        try:
            stream, address = await connect_any(await self.addresses(host, resolver), port)
        except CannotResolve as error:
            raise OSError(str(error)) from error
        resolver.prefer(host, address)
        return stream

    def _denied(self, host: str, why: str) -> SourceDenied:
        self.denied += 1
        self._log.warning("source is not allowed", host=host, why=why, setting=SETTING)
        return SourceDenied(f"{host}: {why} ({SETTING})")
