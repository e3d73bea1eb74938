"""What registrations and calls share: transactions, timers, the header fields that every message has, and outputs."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from attrs import evolve, field, frozen

from protocol.sip.digest import Authenticator, CannotAuthenticate
from protocol.sip.events import SipEvent
from protocol.sip.headers import bracketed, parse_challenges
from protocol.sip.message import HeaderFields, RequestMessage, ResponseMessage, SipMessage, encode, head_of
from protocol.sip.timers import Timers
from protocol.sip.transactions import ClientTransaction, Hop, ServerTransaction

ALLOW: Final = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, PRACK, UPDATE, REFER, NOTIFY"
SUPPORTED: Final = "100rel, replaces, timer"
SDP: Final = "application/sdp"
MAX_CHALLENGES: Final = 2
"""Times that one request is sent again because the server asks for a password."""
_ANSWERS: Final = {401: ("WWW-Authenticate", "Authorization"), 407: ("Proxy-Authenticate", "Proxy-Authorization")}

REASONS: Final = {
    100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 202: "Accepted", 400: "Bad Request",
    403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout",
    415: "Unsupported Media Type", 416: "Unsupported URI Scheme", 420: "Bad Extension",
    422: "Session Interval Too Small", 480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist",
    482: "Loop Detected", 483: "Too Many Hops", 486: "Busy Here", 487: "Request Terminated",
    488: "Not Acceptable Here", 491: "Request Pending", 500: "Server Internal Error", 501: "Not Implemented",
    503: "Service Unavailable", 505: "Version Not Supported", 513: "Message Too Large", 600: "Busy Everywhere",
    603: "Decline",
}  # fmt: skip


@frozen(kw_only=True)
class Outbound:
    """A message to be sent. If that fails, the owner calls `UserAgent.unsendable` with it."""

    data: bytes = field(repr=False)
    hop: Hop
    message: SipMessage = field(repr=False)


@frozen(kw_only=True)
class Surroundings:
    """What a user agent is told of the world. All are pure functions, or nearly so.

    `sent_by` gives the address and port at which answers to a message by this hop reach us; `contact_at` the same for
    requests of others, which may be another behind NAT. `token` makes a random text of 128 bits and more, in letters
    and digits, `uniform` a random number between two. `may_reach` tells whether a hop may be used at all.
    """

    sent_by: Callable[[Hop], tuple[str, int]]
    contact_at: Callable[[Hop], tuple[str, int]]
    token: Callable[[], str]
    uniform: Callable[[float, float], float]
    may_reach: Callable[[Hop], bool] = field(default=lambda hop: True)
    agent: str = "wcsd"
    accepts_refer: bool = False


class SipCore:
    """See above."""

    def __init__(self, world: Surroundings) -> None:
        self.world = world
        self.timers = Timers()
        self.clients: dict[tuple[str, str], ClientTransaction] = {}
        self.servers: dict[tuple[str, str], ServerTransaction] = {}
        self.outbound: list[Outbound] = []
        self.events: list[SipEvent] = []

    # -- for transactions --------------------------------------------------------------------------------------------

    def transmit(self, message: SipMessage, hop: Hop) -> None:
        """Send it."""
        self.outbound.append(Outbound(data=encode(message), hop=hop, message=message))

    def forget(self, transaction: ClientTransaction | ServerTransaction) -> None:
        """It is over."""
        if isinstance(transaction, ClientTransaction):
            self.clients.pop(transaction.key, None)
        else:
            self.servers.pop(transaction.key, None)

    # -- for calls and registrations ---------------------------------------------------------------------------------

    def emit(self, event: SipEvent) -> None:
        """Tell the owner."""
        self.events.append(event)

    def contact(self, hop: Hop, user: str, token: str) -> str:
        """Our Contact towards a hop."""
        host, port = self.world.contact_at(hop)
        scheme, transport = "sip", "" if hop.transport == "udp" else f";transport={hop.transport}"
        return f"<{scheme}:{user}@{bracketed(host)}:{port}{transport};wcsd={token}>"

    def addressed(self, request: RequestMessage, hop: Hop) -> RequestMessage:
        """The request with a Via of its own on top."""
        host, port = self.world.sent_by(hop)
        branch = f"z9hG4bK{self.world.token()}"
        via = f"SIP/2.0/{hop.transport.upper()} {bracketed(host)}:{port};branch={branch};rport"
        fields = (("Via", via), ("Max-Forwards", "70"), *request.headers.fields, ("User-Agent", self.world.agent))
        return evolve(request, headers=HeaderFields(fields))

    def begin(
        self,
        request: RequestMessage,
        hop: Hop,
        now: float,
        *,
        on_response: Callable[[ResponseMessage, float], None],
        on_timeout: Callable[[float], None],
    ) -> ClientTransaction:
        """Send a request, to which `addressed` has given a Via."""
        transaction = ClientTransaction(request, hop, self, on_response=on_response, on_timeout=on_timeout)
        self.clients[transaction.key] = transaction
        transaction.start(now)
        return transaction

    def accept(self, request: RequestMessage, hop: Hop) -> ServerTransaction:
        """Begin to answer a request."""
        transaction = ServerTransaction(request, hop, self)
        self.servers[transaction.key] = transaction
        return transaction

    def response(
        self,
        request: RequestMessage,
        status: int,
        *,
        tag: str = "",
        headers: Iterable[tuple[str, str | None]] = (),
        body: bytes | None = None,
        reason: str = "",
    ) -> ResponseMessage:
        """A response to a request (RFC 3261 8.2.6). `tag` goes into To, if it has none."""
        given = request.headers
        to = given.get("To")
        if tag and ";tag=" not in to.replace(" ", "").lower():
            to = f"{to};tag={tag}"
        fields = (
            *(("Via", via) for via in given.values("Via")),
            ("From", given.get("From")),
            ("To", to),
            ("Call-ID", given.get("Call-ID")),
            ("CSeq", given.get("CSeq")),
            *(("Record-Route", route) for route in given.values("Record-Route") if 100 < status < 300),
            *headers,
            ("Server", self.world.agent),
            ("Content-Type", SDP if body is not None else None),
        )
        text = reason or REASONS.get(status, "Unknown")
        return ResponseMessage(status=status, reason=text, headers=head_of(fields), body=body or b"")

    def refuse(self, request: RequestMessage, hop: Hop, status: int, now: float, *more: tuple[str, str]) -> None:
        """Answer a request by a failure, and remember no more than that."""
        transaction = self.accept(request, hop)
        transaction.respond(self.response(request, status, tag=self.world.token(), headers=more), now)


class PendingRequest:
    """One request until its final response: challenges are answered, and servers that do not work are passed over.

    `compose` makes it anew each time, with the next CSeq. `on_response` hears what comes of it; a timeout is a 408, and
    a server that cannot be reached a 503 (RFC 3261 8.1.3.1).
    """

    def __init__(
        self,
        core: SipCore,
        compose: Callable[[], RequestMessage],
        hops: Sequence[Hop],
        auth: Authenticator,
        on_response: Callable[[ResponseMessage, float], None],
    ) -> None:
        self._core, self._compose, self._auth = core, compose, auth
        self._hops = list(hops)
        self._on_response = on_response
        self._challenges = 0
        self._is_last = False
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
        self.transaction = core.begin(
            core.addressed(request, self.hop), self.hop, now, on_response=self._responded, on_timeout=self._timed_out
        )

    def give_up(self) -> None:
        """Its owner wants to hear no more of it."""
        if self.transaction is not None:
            self.transaction.give_up()

    def stop_trying(self) -> None:
        """It is not sent again, whatever the answer is."""
        self._is_last = True

    def _responded(self, response: ResponseMessage, now: float) -> None:
        if response.status in _ANSWERS and not self._is_last:
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
            self._auth.challenged(challenges, answers, is_repeated=answers in self._answered)
        except CannotAuthenticate as error:
            self._on_response(evolve(response, reason=str(error)), now)
            return
        self._challenges += 1
        self._answered.add(answers)
        self.send(now)

    def _timed_out(self, now: float) -> None:
        if not self._passes_over(now):
            self._on_response(ResponseMessage(status=408, reason="no answer", headers=HeaderFields()), now)

    def _passes_over(self, now: float) -> bool:
        """Try the next server, if there is one."""
        if len(self._hops) < 2 or self._is_last:
            return False
        del self._hops[0]
        self.send(now)
        return True
