"""Registrations that are made once more before their time, since calls would not find us at the Contact they name.

So it is when the server sees us elsewhere, and when our connection by TLS is lost: nobody can make one to us. And after
a standstill of this server, for the registrars' clocks went on.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

import trio

from actors.calls.sip.addresses import SipAddresses
from actors.calls.sip.arriving_calls import HeldRegistration
from protocol.sip.events import RegistrationSucceeded
from protocol.sip.transactions.machines import Hop

MAX_REPEATS: Final = 3
"""Times in a row that a registration is repeated because its server sees us elsewhere than we thought."""
PACE: Final = (20, 0.1)
"""So many registrations are renewed at a time, and the seconds until the next."""
PAUSE: Final = 30.0
"""Seconds after which lost connections count again: some servers end them as fast as they are made."""


class RegistrationRenewals:
    """See above. `registrations` by their ids; they come and go meanwhile."""

    def __init__(
        self, addresses: SipAddresses, registrations: Mapping[str, HeldRegistration], refresh: Callable[[str], None]
    ) -> None:
        self._addresses, self._registrations, self._refresh = addresses, registrations, refresh
        self._repeats: Counter[str] = Counter()
        self._lost: set[Hop] = set()
        self._wake = trio.Event()

    def succeeded(self, event: RegistrationSucceeded) -> None:
        """A server has said how it sees us."""
        if event.seen_as is None:
            self.forget(event.registration)
        elif self._learns(event, event.seen_as) and self._repeats[event.registration] < MAX_REPEATS:
            self._repeats[event.registration] += 1
            self._refresh(event.registration)

    def connection_lost(self, hop: Hop) -> None:
        """A connection is over."""
        if hop.transport == "tls":
            self._lost.add(hop)
            self._wake.set()

    def renew_all(self) -> None:
        """Their time may be over."""
        self._lost.update(hop for held in self._registrations.values() for hop in held.hops)
        self._wake.set()

    def forget(self, registration: str) -> None:
        """It is as it should be, or is over."""
        self._repeats.pop(registration, None)

    def _learns(self, event: RegistrationSucceeded, seen_as: tuple[str, int]) -> bool:
        """Whether our Contact will be another. By UDP the account's other servers are taken to see us there too."""
        if event.hop.transport == "udp":
            for hop in self._registrations[event.registration].hops:
                self._addresses.learn(hop, seen_as)
        return self._addresses.learn(event.hop, seen_as)

    async def run(self) -> None:
        """Renew what lost connections had, until cancelled."""
        many, pause = PACE
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            lost, self._lost = self._lost, set()
            concerned = [each for each, held in self._registrations.items() if lost.intersection(held.hops)]
            for number, registration in enumerate(concerned, 1):
                self._refresh(registration)  # one that is over meanwhile is not known any more
                if number % many == 0:
                    await trio.sleep(pause)
            if concerned:
                await trio.sleep(PAUSE)
