"""How the calls of one account begin at the SIP endpoint."""

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from actors.calls.sip.phone_line import CallListener, PhoneLine
from protocol.calls.phone_sdp import PhoneOffers
from protocol.sip.messages.headers import SipUri
from protocol.sip.transactions.machines import Hop


@frozen(kw_only=True)
class CallRoute:
    """Where an INVITE goes: the servers to try in turn, at least one, and a proxy that must be passed first."""

    hops: Sequence[Hop]
    routes: tuple[str, ...] = ()

    @property
    def transports(self) -> list[str]:
        """How they are reached."""
        return [hop.transport for hop in self.hops]

    @property
    def hosts(self) -> list[str]:
        """The IP addresses of the servers."""
        return [hop.host for hop in self.hops]


class Dialer(Protocol):
    """One account, as calls see it."""

    @property
    def account(self) -> str:
        """The user at its domain, as limits and hooks name it."""

    def callee(self, text: str) -> SipUri:
        """Whom a page means. Raises CallRefused if nobody, or somebody who may not be called."""

    def party(self, uri: SipUri) -> SipUri:
        """The same for somebody whom a SIP message names: the caller of another call, the target of a transfer."""

    async def route(self, callee: SipUri) -> CallRoute:
        """Find the servers for a call. Raises CallRefused."""

    def dial(
        self,
        callee: SipUri,
        route: CallRoute,
        offers: PhoneOffers,
        *,
        visible_name: str,
        listener: CallListener,
        replaces: str | None = None,
    ) -> PhoneLine:
        """Call; `listener` hears what comes of it. `replaces`: which call of the callee this one takes the place of."""
