"""How many clients may be connected, in all and from one address, and how fast those of one address may come.

One for all sessions of a server, however their clients reach it: by WebSocket, WHIP or WHEP.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import trio

from config.live import follow
from config.settings import Settings
from protocol.common.shared_rates import RateShares

PACE_LIMIT = "ws.max_upgrades_per_address"
"""The setting behind `SessionAdmission.pace`."""


class SessionAdmission:
    """The places of sessions. An address is a `client_key`: an IPv4 address, or an IPv6 /64."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._rates = RateShares(settings.ws_max_upgrades_per_address, 2 * settings.ws_max_upgrades_per_address)
        self._addresses: Counter[str] = Counter()
        self._count = 0
        follow(settings, self._adopt)

    def _adopt(self, settings: Settings) -> None:
        self._rates.change(settings.ws_max_upgrades_per_address, 2 * settings.ws_max_upgrades_per_address)

    def limit_hit(self, address: str | None) -> str | None:
        """The setting that forbids one more session, of this address (None: of one not known yet)."""
        if self._count >= self._settings.max_sessions:
            return "max_sessions"
        count = 0 if address is None else self._addresses[address]
        return "max_sessions_per_address" if count >= self._settings.max_sessions_per_address else None

    def pace(self, address: str) -> float:
        """The address begins one more; seconds that it must wait before."""
        return self._rates.charge(address, trio.current_time())

    def enter(self, address: str) -> None:
        """One more session has begun. Call `leave` once it is over."""
        self._addresses[address] += 1
        self._count += 1

    def leave(self, address: str) -> None:
        self._count -= 1
        self._addresses[address] -= 1
        if not self._addresses[address]:
            del self._addresses[address]

    @contextmanager
    def place(self, address: str) -> Iterator[None]:
        """A session's place, for as long as the block runs."""
        self.enter(address)
        try:
            yield
        finally:
            self.leave(address)
