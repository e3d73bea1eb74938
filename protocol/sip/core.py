"""What registrations and calls share: transactions, timers, the header fields that every message has, and outputs."""

from collections.abc import Callable, Iterable
from typing import Final

from attrs import evolve, field, frozen

from protocol.sip.events import SipEvent
from protocol.sip.messages.headers import bracketed
from protocol.sip.messages.message import HeaderFields, RequestMessage, ResponseMessage, SipMessage, encode, head_of
from protocol.sip.traffic import OUT, SipTraffic
from protocol.sip.transactions.machines import ClientTransaction, Hop, ServerTransaction
from protocol.sip.transactions.timers import Timers

ALLOW: Final = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, PRACK, UPDATE, REFER, NOTIFY"
SUPPORTED: Final = "100rel, norefersub, timer"
REPLACES: Final = "replaces"
"""What we know besides where transfers by others are followed (RFC 3891)."""
SDP: Final = "application/sdp"
MAX_DATAGRAM: Final = 1_300
"""Bytes of a request by UDP; a longer one may be cut up on the way, and lost (RFC 3261 section 18.1.1)."""

REASONS: Final = {
    100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 202: "Accepted", 400: "Bad Request",
    403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout",
    415: "Unsupported Media Type", 416: "Unsupported URI Scheme", 420: "Bad Extension",
    422: "Session Interval Too Small", 480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist",
    482: "Loop Detected", 483: "Too Many Hops", 486: "Busy Here", 487: "Request Terminated",
    488: "Not Acceptable Here", 489: "Bad Event", 491: "Request Pending", 500: "Server Internal Error",
    501: "Not Implemented", 503: "Service Unavailable", 505: "Version Not Supported", 513: "Message Too Large",
    600: "Busy Everywhere", 603: "Decline",
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
    and digits, `uniform` a random number between two. `may_reach` tells whether a hop may be used at all, `is_server`
    whether it is one of the operator's servers. `takes_tcp` tells whether a server that is reached by UDP may be tried
    by TCP as well, `note_udp_only` is told that it does not take that, `note_down` that another is tried in its place.
    `accepts_refer`: whether transfers that other sides order are followed at all.
    """

    sent_by: Callable[[Hop], tuple[str, int]]
    contact_at: Callable[[Hop], tuple[str, int]]
    token: Callable[[], str]
    uniform: Callable[[float, float], float]
    may_reach: Callable[[Hop], bool] = field(default=lambda hop: True)
    is_server: Callable[[Hop], bool] = field(default=lambda hop: False)
    takes_tcp: Callable[[Hop], bool] = field(default=lambda hop: False)
    note_udp_only: Callable[[Hop], None] = field(default=lambda hop: None)
    note_down: Callable[[Hop], None] = field(default=lambda hop: None)
    agent: str = "wcsd"
    accepts_refer: bool = False


class SipCore:
    """See above."""

    def __init__(self, world: Surroundings) -> None:
        self.world = world
        self.timers = Timers()
        self.traffic = SipTraffic()
        self.clients: dict[tuple[str, str], ClientTransaction] = {}
        self.servers: dict[tuple[str, str], ServerTransaction] = {}
        self.outbound: list[Outbound] = []
        self.events: list[SipEvent] = []

    # -- for transactions --------------------------------------------------------------------------------------------

    def transmit(self, message: SipMessage, hop: Hop) -> None:
        """Send it."""
        self.traffic.note(OUT, message)
        self.outbound.append(Outbound(data=encode(message), hop=hop, message=message))

    def repeat(self, message: SipMessage, hop: Hop) -> None:
        """Send it once more."""
        self.traffic.repeated[OUT] += 1
        self.transmit(message, hop)

    def forget(self, transaction: ClientTransaction | ServerTransaction) -> None:
        """It is over."""
        if isinstance(transaction, ClientTransaction):
            self.clients.pop(transaction.key, None)
        else:
            self.servers.pop(transaction.key, None)

    @property
    def supported(self) -> str:
        """The extensions that we know, as of now (RFC 3261 section 20.37)."""
        return f"{SUPPORTED}, {REPLACES}" if self.world.accepts_refer else SUPPORTED

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
        """The request with its own Via on top."""
        host, port = self.world.sent_by(hop)
        branch = f"z9hG4bK{self.world.token()}"
        via = f"SIP/2.0/{hop.transport.upper()} {bracketed(host)}:{port};branch={branch};rport"
        fields = (("Via", via), ("Max-Forwards", "70"), *request.headers.fields, ("User-Agent", self.world.agent))
        return evolve(request, headers=HeaderFields(fields))

    def ready(self, request: RequestMessage, hop: Hop) -> tuple[RequestMessage, Hop]:
        """The request with its Via, and the way that it takes: TCP if it is too long for a datagram."""
        made = self.addressed(request, hop)
        if hop.is_reliable or len(encode(made)) <= MAX_DATAGRAM or not self.world.takes_tcp(hop):
            return made, hop
        by_tcp = evolve(hop, transport="tcp")
        return self.addressed(request, by_tcp), by_tcp

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
