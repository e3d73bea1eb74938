"""The four transaction machines of SIP: RFC 3261 section 17, with the corrections of RFC 6026.

A client transaction sends a request until it is answered; a server transaction remembers an answer for requests that
come again. Over UDP they repeat what may be lost; over TCP and TLS they only wait. A 2xx to INVITE and its ACK are not
theirs: the call repeats them, since a proxy may bring several.

    INVITE client     CALLING -> PROCEEDING -> ACCEPTED or COMPLETED -> TERMINATED
    other client      CALLING -> PROCEEDING -> COMPLETED -> TERMINATED
    INVITE server     PROCEEDING -> ACCEPTED, or COMPLETED -> CONFIRMED -> TERMINATED
    other server      PROCEEDING -> COMPLETED -> TERMINATED
"""

from collections.abc import Callable
from typing import Final, Protocol

from attrs import frozen

from protocol.sip.messages.headers import top_via
from protocol.sip.messages.message import RequestMessage, ResponseMessage, SipMessage
from protocol.sip.transactions.states import (
    INVITE_CLIENT,
    INVITE_SERVER,
    OTHER_CLIENT,
    OTHER_SERVER,
    ClientTransactionEvent,
    ClientTransactionState,
    ServerTransactionEvent,
    ServerTransactionState,
)
from protocol.sip.transactions.timers import Timer, Timers

T1: Final = 0.5
T2: Final = 4.0
T4: Final = 5.0
TIMEOUT: Final = 64 * T1
"""Timers B, F, H, J, L and M; timer D is "at least 32 s"."""


@frozen(kw_only=True)
class Hop:
    """Where a message goes to or has come from: "udp", "tcp" or "tls"; an address, or a name that is still to be found.

    `name` is what the certificate of a TLS server must be for, where the host is an address.
    """

    transport: str
    host: str
    port: int
    name: str = ""

    @property
    def is_reliable(self) -> bool:
        return self.transport != "udp"


class TransactionPort(Protocol):
    """What transactions need of the user agent."""

    timers: Timers

    def transmit(self, message: SipMessage, hop: Hop) -> None: ...
    def repeat(self, message: SipMessage, hop: Hop) -> None: ...
    def forget(self, transaction: "ClientTransaction | ServerTransaction") -> None: ...


class ClientTransaction:
    """A request of ours. `on_response` hears each response that is not a repetition, and a 2xx to INVITE each time.

    `on_timeout` is called if no final response comes in time, or it cannot be sent.
    """

    def __init__(
        self,
        request: RequestMessage,
        hop: Hop,
        port: TransactionPort,
        *,
        on_response: Callable[[ResponseMessage, float], None],
        on_timeout: Callable[[float], None],
    ) -> None:
        self.request, self.hop = request, hop
        self.is_invite = request.method == "INVITE"
        self._table = INVITE_CLIENT if self.is_invite else OTHER_CLIENT
        self.state = self._table.initial
        self.key = client_key_of(request)
        self._port = port
        self._on_response, self._on_timeout = on_response, on_timeout
        self._ack: RequestMessage | None = None
        self._is_sent_again = False
        self._interval = T1
        self._repetition: Timer | None = None
        self._lapse: Timer | None = None

    def start(self, now: float) -> None:
        """Send it for the first time."""
        self._port.transmit(self.request, self.hop)
        self._lapse = self._port.timers.at(now + TIMEOUT, self._lapsed)
        if not self.hop.is_reliable:
            self._repetition = self._port.timers.at(now + T1, self._repeat)

    def receive(self, response: ResponseMessage, now: float) -> None:
        """A response whose branch and method are those of this request."""
        event = _class_of(response)
        if not self._table.allows(self.state, event):
            return
        was, self.state = self.state, self._table.after(self.state, event)
        if event is ClientTransactionEvent.FAILURE and self.is_invite:
            self._acknowledge(response)
        if self.state is not was:
            self._entered(now)
        if self.state is not was or event is not ClientTransactionEvent.FAILURE:
            self._on_response(response, now)

    def broken(self, now: float) -> None:
        """It cannot be sent."""
        if self.state in (ClientTransactionState.CALLING, ClientTransactionState.PROCEEDING):
            self._end(ClientTransactionEvent.BREAK)
            self._on_timeout(now)

    def connection_lost(self, now: float) -> None:
        """Its connection has ended, and nobody knows whether the server has read it: it is sent once more."""
        if self.state is ClientTransactionState.CALLING:
            if self._is_sent_again:
                self.broken(now)
            else:
                self._is_sent_again = True
                self._port.repeat(self.request, self.hop)

    def give_up(self) -> None:
        """Its owner wants to hear no more of it."""
        if self.state is not ClientTransactionState.TERMINATED:
            self._end(ClientTransactionEvent.BREAK)

    @property
    def waits(self) -> bool:
        """Whether a final response is still to come."""
        return self.state in (ClientTransactionState.CALLING, ClientTransactionState.PROCEEDING)

    def _entered(self, now: float) -> None:
        _cancel(self._lapse)
        if self.state is ClientTransactionState.PROCEEDING:
            self._entered_proceeding(now)
            return
        _cancel(self._repetition)
        is_short = not self.is_invite or self.state is ClientTransactionState.COMPLETED
        stay = 0.0 if is_short and self.hop.is_reliable else TIMEOUT if self.is_invite else T4
        self._lapse = self._port.timers.at(now + stay, self._lapsed)

    def _entered_proceeding(self, now: float) -> None:
        if self.is_invite:  # as long as the phone rings
            _cancel(self._repetition)
        else:
            self._interval = T2
            self._lapse = self._port.timers.at(now + TIMEOUT, self._lapsed)

    def _acknowledge(self, response: ResponseMessage) -> None:
        if self._ack is not None:
            self._port.repeat(self._ack, self.hop)
            return
        self._ack = ack_of_failure(self.request, response)
        self._port.transmit(self._ack, self.hop)

    def _repeat(self, now: float) -> None:
        self._port.repeat(self.request, self.hop)
        self._interval = self._interval * 2 if self.is_invite else min(T2, self._interval * 2)
        self._repetition = self._port.timers.at(now + self._interval, self._repeat)

    def _lapsed(self, now: float) -> None:
        had_waited = self.waits
        self._end(ClientTransactionEvent.LAPSE)
        if had_waited:
            self._on_timeout(now)

    def _end(self, event: ClientTransactionEvent) -> None:
        self.state = self._table.after(self.state, event)
        _cancel(self._repetition)
        _cancel(self._lapse)
        self._port.forget(self)


class ServerTransaction:
    """A request of the other side, and what it was answered. `hop` is where it came from, and answers go."""

    def __init__(self, request: RequestMessage, hop: Hop, port: TransactionPort) -> None:
        self.request, self.hop = request, hop
        self.is_invite = request.method == "INVITE"
        self._table = INVITE_SERVER if self.is_invite else OTHER_SERVER
        self.state = self._table.initial
        self.key = server_key_of(request)
        self.identity = identity_of(request)
        self.last: ResponseMessage | None = None
        self._port = port
        self._interval = T1
        self._repetition: Timer | None = None
        self._lapse: Timer | None = None

    def respond(self, response: ResponseMessage, now: float) -> None:
        """Answer. Only the first final response is sent."""
        if self.state is not ServerTransactionState.PROCEEDING:
            return
        self.last = response
        self._port.transmit(response, self.hop)
        if response.is_final:
            event = ServerTransactionEvent.SUCCESS if response.status < 300 else ServerTransactionEvent.FAILURE
            self.state = self._table.after(self.state, event)
            self._answered(now)

    def receive(self, request: RequestMessage, now: float) -> None:
        """The request once more, or the ACK of a failure."""
        if request.method == "ACK":
            if self.state is ServerTransactionState.COMPLETED:
                self._confirmed(now)
        elif self.last is not None and self.state in (
            ServerTransactionState.PROCEEDING,
            ServerTransactionState.COMPLETED,
        ):
            self._port.repeat(self.last, self.hop)

    def give_up(self) -> None:
        """Its owner wants to hear no more of it."""
        if self.state is not ServerTransactionState.TERMINATED:
            self._end(ServerTransactionEvent.BREAK)

    @property
    def waits(self) -> bool:
        """Whether we still have to answer."""
        return self.state is ServerTransactionState.PROCEEDING

    def _answered(self, now: float) -> None:
        timers = self._port.timers
        stays = self.is_invite or not self.hop.is_reliable
        self._lapse = timers.at(now + (TIMEOUT if stays else 0.0), self._lapsed)
        if self.is_invite and self.state is ServerTransactionState.COMPLETED and not self.hop.is_reliable:
            self._repetition = timers.at(now + T1, self._repeat)

    def _confirmed(self, now: float) -> None:
        self.state = self._table.after(self.state, ServerTransactionEvent.ACK)
        _cancel(self._repetition)
        _cancel(self._lapse)
        self._lapse = self._port.timers.at(now + (0.0 if self.hop.is_reliable else T4), self._lapsed)

    def _repeat(self, now: float) -> None:
        if self.last is not None:
            self._port.repeat(self.last, self.hop)
        self._interval = min(T2, self._interval * 2)
        self._repetition = self._port.timers.at(now + self._interval, self._repeat)

    def _lapsed(self, now: float) -> None:
        self._end(ServerTransactionEvent.LAPSE)

    def _end(self, event: ServerTransactionEvent) -> None:
        self.state = self._table.after(self.state, event)
        _cancel(self._repetition)
        _cancel(self._lapse)
        self._port.forget(self)


def client_key_of(message: SipMessage) -> tuple[str, str]:
    """What a response is matched to its request by (RFC 3261 17.1.3). Raises SipError."""
    method = message.headers.get("CSeq").split()[-1:] or [""]
    return top_via(message.headers).branch, method[0]


def server_key_of(request: RequestMessage) -> tuple[str, str]:
    """What a request is matched to its transaction by (RFC 3261 17.2.3). An ACK is its INVITE's. Raises SipError.

    Clients of RFC 2543, whose branches lack the cookie, are told apart by what else identifies their request.
    """
    via = top_via(request.headers)
    method = "INVITE" if request.method == "ACK" else request.method
    identity = f"{via.host}:{via.port}:{via.branch}"
    if not via.branch.startswith("z9hG4bK"):
        cseq = request.headers.get("CSeq").partition(" ")[0]
        identity += f":{request.headers.get('Call-ID')}:{request.headers.get('From')}:{cseq}"
    return identity, method


def identity_of(request: RequestMessage) -> tuple[str, ...]:
    """What a request keeps that comes here by two ways (RFC 3261 8.2.2.2).

    Each of our Contacts is a user agent of its own: a proxy may ring several pages of one account at once.
    """
    return request.uri, *(request.headers.get(name) for name in ("Call-ID", "From", "CSeq"))


def ack_of_failure(invite: RequestMessage, response: ResponseMessage) -> RequestMessage:
    """The ACK of a 3xx to 6xx: in the transaction of the INVITE, so with its branch (RFC 3261 17.1.1.3)."""
    return within_transaction(invite, "ACK", to=response.headers.get("To"))


def cancel_of(invite: RequestMessage) -> RequestMessage:
    """The CANCEL of an INVITE (RFC 3261 9.1)."""
    return within_transaction(invite, "CANCEL", to=invite.headers.get("To"))


def within_transaction(invite: RequestMessage, method: str, *, to: str) -> RequestMessage:
    """A request that shares the INVITE's branch, Route and identity."""
    headers = invite.headers
    number = headers.get("CSeq").partition(" ")[0]
    fields = (
        ("Via", headers.values("Via")[0]),
        ("Max-Forwards", "70"),
        *(("Route", route) for route in headers.values("Route")),
        ("From", headers.get("From")),
        ("To", to),
        ("Call-ID", headers.get("Call-ID")),
        ("CSeq", f"{number} {method}"),
    )
    return RequestMessage(method=method, uri=invite.uri, headers=type(headers)(fields))


def _class_of(response: ResponseMessage) -> ClientTransactionEvent:
    if response.status < 200:
        return ClientTransactionEvent.PROVISIONAL
    return ClientTransactionEvent.SUCCESS if response.status < 300 else ClientTransactionEvent.FAILURE


def _cancel(timer: Timer | None) -> None:
    if timer is not None:
        timer.cancel()
