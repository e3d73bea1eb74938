"""One request until its final response, whichever server gives it, and by which transport."""

from collections.abc import Callable, Sequence
from typing import Final

from attrs import evolve

from protocol.sip.core import SipCore
from protocol.sip.messages.digest import PROXY, Authenticator, CannotAuthenticate
from protocol.sip.messages.headers import parse_challenges
from protocol.sip.messages.message import HeaderFields, RequestMessage, ResponseMessage
from protocol.sip.transactions.machines import ClientTransaction, Hop

MAX_CHALLENGES: Final = 2
"""Times that one request is sent again because the server asks for a password."""
_ANSWERS: Final = {401: ("WWW-Authenticate", "Authorization"), 407: ("Proxy-Authenticate", PROXY)}


class PendingRequest:
    """See above: challenges are answered, and servers that do not work are passed over.

    `compose` makes it anew each time, with the next CSeq. `on_response` hears what comes of it; a timeout is a 408, and
    a server that cannot be reached a 503 (RFC 3261 8.1.3.1). `may_be_asked`: whether challenges are answered at all.
    """

    def __init__(
        self,
        core: SipCore,
        compose: Callable[[], RequestMessage],
        hops: Sequence[Hop],
        auth: Authenticator,
        on_response: Callable[[ResponseMessage, float], None],
        *,
        may_be_asked: bool = True,
    ) -> None:
        self._may_be_asked = may_be_asked
        self._core, self._compose, self._auth = core, compose, auth
        self._hops = list(hops)
        self._on_response = on_response
        self._challenges = 0
        self._is_last = self._is_forwarded = False
        self._answered: set[str] = set()
        self.transaction: ClientTransaction | None = None

    @property
    def hop(self) -> Hop:
        """The one that is being tried."""
        return self._hops[0]

    def send(self, now: float) -> None:
        """Send it, with the credentials that are known to be wanted."""
        core, composed = self._core, self._compose()
        fields = self._auth.headers(composed.method, composed.uri, composed.body)
        request = evolve(composed, headers=HeaderFields((*composed.headers.fields, *fields)))
        ready, hop = core.ready(request, self.hop)
        self._is_forwarded = False
        self.transaction = core.begin(ready, hop, now, on_response=self._responded, on_timeout=self._timed_out)

    def start_anew(self, now: float) -> None:
        """Send it as a further request, whose challenges are answered like those of the first."""
        self._challenges = 0
        self._answered.clear()
        self.send(now)

    def give_up(self) -> None:
        """Its owner wants to hear no more of it."""
        if self.transaction is not None:
            self.transaction.give_up()

    def stop_trying(self) -> None:
        """It is not sent again, whatever the answer is."""
        self._is_last = True

    def _responded(self, response: ResponseMessage, now: float) -> None:
        if response.status < 200:
            self._is_forwarded = True  # whoever wants credentials before that asks at once
        if response.status in _ANSWERS and self._may_be_asked and not self._is_last:
            self._challenged(response, now)
            return
        if response.status == 503 and self._passes_over(now):
            return
        if 200 <= response.status < 300:
            self._auth.accepted()
        self._on_response(response, now)

    def _challenged(self, response: ResponseMessage, now: float) -> None:
        asks, answers = _ANSWERS[response.status]
        try:
            if self._challenges >= MAX_CHALLENGES:
                raise CannotAuthenticate("the server asks for the password again and again")
            challenges = parse_challenges(response.headers, asks)
            is_repeated, is_forwarded = answers in self._answered, self._is_forwarded
            self._auth.challenged(challenges, answers, is_repeated=is_repeated, is_forwarded=is_forwarded)
        except CannotAuthenticate as error:
            self._on_response(evolve(response, reason=str(error)), now)
            return
        self._challenges += 1
        self._answered.add(answers)
        self.send(now)

    def _timed_out(self, now: float) -> None:
        if self._went_by_tcp and not self._is_last:
            self._core.world.note_udp_only(self.hop)
            self.send(now)
        elif not self._passes_over(now):
            self._on_response(ResponseMessage(status=408, reason="no answer", headers=HeaderFields()), now)

    @property
    def _went_by_tcp(self) -> bool:
        """In place of UDP."""
        return self.transaction is not None and self.transaction.hop.is_reliable and not self.hop.is_reliable

    def _passes_over(self, now: float) -> bool:
        """Try the next server, if there is one."""
        if len(self._hops) < 2 or self._is_last:
            return False
        self._core.world.note_down(self.hop)
        del self._hops[0]
        self.send(now)
        return True
