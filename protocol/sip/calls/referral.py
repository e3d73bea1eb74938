"""A transfer that the other side of a call orders: REFER, and the NOTIFYs that tell it what becomes of it (RFC 3515).

One at a time. A phone that wants no report gets no NOTIFY (RFC 4488). A BYE ends the call, but not what is told.
"""

from typing import Final

from attrs import frozen

from protocol.sip.calls.call_port import CallPort
from protocol.sip.calls.refer_to import read_refer_to
from protocol.sip.calls.transfer import FRAGMENT
from protocol.sip.events import TransferAsked
from protocol.sip.messages.headers import parse_cseq, printable
from protocol.sip.messages.message import RequestMessage, ResponseMessage, SipError
from protocol.sip.transactions.machines import ServerTransaction

LIFETIME: Final = 240.0
"""Seconds for which the other side is told: longer than a phone may ring."""
_MAX_REASON: Final = 100
_PENDING: Final = 491


@frozen(eq=False, kw_only=True)
class Subscription:
    """What the other side is told by. `event` is the Event of its NOTIFYs."""

    event: str
    until: float


class Referral:
    """See above."""

    def __init__(self, call: CallPort) -> None:
        self.is_followed = False
        """One has been accepted, and nothing final has been told of it."""
        self._call = call
        self._asked: ServerTransaction | None = None
        self._accepted = 0
        self._subscription: Subscription | None = None
        self._told = 0

    def asked(self, request: RequestMessage, transaction: ServerTransaction, now: float) -> None:
        """A REFER arrives."""
        call = self._call
        if not call.core.world.accepts_refer:
            call.respond(transaction, 603, now)
            return
        if self._asked is not None or self.is_followed or not call.is_up:
            call.respond(transaction, _PENDING, now)
            return
        try:
            target = read_refer_to(request.headers)
        except SipError as error:
            call.respond(transaction, error.status_hint, now)
            return
        self._asked = transaction
        call.core.emit(TransferAsked(call=call.id, target=target.uri, replaces=target.replaces))

    def answer(self, status: int, now: float) -> None:
        """Accept the REFER that has arrived by 202, or refuse it by another status."""
        transaction, self._asked = self._asked, None
        if transaction is None:
            return
        if status >= 300:
            self._call.respond(transaction, status, now)
            return
        request = transaction.request
        self._call.known_dialog().refresh_target(request)
        is_silent = request.headers.get("Refer-Sub").partition(";")[0].strip().lower() == "false"
        self.is_followed, self._told = True, 0
        self._subscription = None if is_silent else self._subscribed(request, now)
        more = (("Refer-Sub", "false"),) if is_silent else ()
        self._call.respond(transaction, status, now, *self._contact(), *more)
        self.tell(100, "Trying", now)

    def tell(self, status: int, reason: str, now: float) -> None:
        """Tell the other side how far it is; a final status is the last."""
        is_final, subscription = status >= 200, self._subscription
        if is_final:
            self.is_followed, self._subscription = False, None
        if subscription is None or (status == self._told and not is_final):
            return
        self._told = status
        left = max(1, round(subscription.until - now))
        state = "terminated;reason=noresource" if is_final else f"active;expires={left}"
        headers = (*self._contact(), ("Event", subscription.event), ("Subscription-State", state))
        body = f"SIP/2.0 {status} {printable(reason)[:_MAX_REASON]}\r\n".encode()

        def answered(response: ResponseMessage, now: float) -> None:
            if 200 <= response.status < 300:
                self._call.known_dialog().refresh_target(response)
            elif response.status >= 300 and self._subscription is subscription:
                self._subscription = None  # the other side does not want to know, and the call goes on (RFC 5057)

        self._call.request("NOTIFY", now, answered, headers=headers, body=body, content_type=FRAGMENT)

    def close(self, now: float) -> None:
        """The call is over; what has been accepted may go on without it."""
        transaction, self._asked = self._asked, None
        if transaction is not None:
            self._call.respond(transaction, 487, now)

    def _subscribed(self, request: RequestMessage, now: float) -> Subscription:
        """All but the first of a call are told apart by the number of their REFER (RFC 3515 section 2.4.6)."""
        self._accepted += 1
        number = parse_cseq(request.headers.get("CSeq")).number
        event = "refer" if self._accepted == 1 else f"refer;id={number}"
        return Subscription(event=event, until=now + LIFETIME)

    def _contact(self) -> tuple[tuple[str, str | None], ...]:
        call = self._call
        return (("Contact", call.contact(call.hop_of(call.known_dialog()))),)
