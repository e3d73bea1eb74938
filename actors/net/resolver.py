"""Resolves names to addresses, so that a hanging name server delays only those who ask it.

A lookup runs in a thread, because the system's resolver blocks. Threads that hang cannot be stopped, only abandoned; so
each host may have only a few, counted until they really end. Addresses are cached for a short while.
"""

import ipaddress
import math
import socket
from collections.abc import Callable

import httpx
import trio
from attrs import define, field

THREADS_PER_HOST = 4
CACHE_SECONDS = 10.0
MAX_KNOWN = 1_000
"""Names beyond which those are forgotten that are not being looked up and whose addresses are stale."""


class CannotResolve(httpx.TransportError):
    """The host's name cannot be resolved to an address. An error of httpx, as all that hooks fail with."""


def system_lookup(host: str) -> tuple[str, ...]:
    """Ask the system's resolver, blocking until it answers. Raises OSError, UnicodeError."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


@define(eq=False)
class _KnownName:
    limiter: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(THREADS_PER_HOST))
    asking: trio.Lock = field(factory=trio.Lock)
    addresses: tuple[str, ...] = ()
    fresh_until: float = -math.inf

    def is_stale(self, now: float) -> bool:
        """Whether nothing is lost with it: threads that hang are still to be counted."""
        return now >= self.fresh_until and not self.limiter.borrowed_tokens and not self.asking.locked()


class Resolver:
    """Looks names up, with one lookup at a time for each name, and caches the answers for `CACHE_SECONDS`."""

    def __init__(self, lookup: Callable[[str], tuple[str, ...]] = system_lookup) -> None:
        self._lookup = lookup
        self._hosts: dict[str, _KnownName] = {}

    async def resolve(self, name: str) -> tuple[str, ...]:
        """The addresses of `name`, at least one, in the system's order. Raises CannotResolve."""
        if _is_address(name):
            return (name,)
        host = self._known(name)
        if trio.current_time() >= host.fresh_until:
            async with host.asking:
                if trio.current_time() >= host.fresh_until:
                    await self._ask(name, host)
        return host.addresses

    def prefer(self, name: str, address: str) -> None:
        """List `address` first until the next lookup, since it has just worked."""
        host = self._hosts.get(name)
        if host is not None and address in host.addresses:
            host.addresses = (address, *(other for other in host.addresses if other != address))

    def _known(self, name: str) -> _KnownName:
        found = self._hosts.get(name)
        if found is None:
            if len(self._hosts) >= MAX_KNOWN:
                now = trio.current_time()
                self._hosts = {known: host for known, host in self._hosts.items() if not host.is_stale(now)}
            found = self._hosts[name] = _KnownName()
        return found

    async def _ask(self, name: str, host: _KnownName) -> None:
        try:
            addresses = await trio.to_thread.run_sync(self._lookup, name, limiter=host.limiter, abandon_on_cancel=True)
        except (OSError, UnicodeError) as error:
            raise CannotResolve(f"{name}: {error}") from error
        if not addresses:
            raise CannotResolve(f"{name}: no address")
        host.addresses = addresses
        host.fresh_until = trio.current_time() + CACHE_SECONDS


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
