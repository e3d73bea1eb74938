"""What all calls have in common: requests within the dialog, its end, INFO, new offers, transfers.

`OutgoingCall` and `IncomingCall` add how a call comes about. A call is over for its owner when it has ended it or has
been told `CallEnded`; what is left to be sent afterwards (CANCEL, BYE, ACKs) is done here.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from protocol.sip.calls.dialog import Dialog
from protocol.sip.calls.offers import OfferExchange
from protocol.sip.calls.referral import Referral
from protocol.sip.calls.session_timer import SessionTimer
from protocol.sip.calls.transfer import Transfer
from protocol.sip.core import ALLOW, SDP, SipCore
from protocol.sip.events import CallEnded, InfoAnswered, InfoArrived
from protocol.sip.messages.digest import Authenticator
from protocol.sip.messages.headers import printable
from protocol.sip.messages.message import RequestMessage, ResponseMessage, head_of
from protocol.sip.pending_request import PendingRequest
from protocol.sip.transactions.machines import Hop, ServerTransaction

GONE: Final = frozenset({408, 481})
"""What a request within a call is answered where the other side does not know the call any more (RFC 5057)."""


class CallBook(Protocol):
    """Where calls are found by their dialogs."""

    def bind(self, dialog: Dialog, call: "SipCall") -> None: ...
    def unbind(self, dialog: Dialog) -> None: ...
    def drop(self, call: "SipCall") -> None: ...


class SipCall(ABC):
    """See above. `user` and `token` are those of our Contact."""

    is_incoming: bool

    def __init__(self, core: SipCore, book: CallBook, auth: Authenticator, *, user: str, token: str) -> None:
        self.id = core.world.token()
        self.core, self.book, self.auth = core, book, auth
        self.user, self.token = user, token
        self.dialog: Dialog | None = None
        self.is_up = False
        """Answered, and not over."""
        self.is_over = False
        """For its owner."""
        self.allows: frozenset[str] = frozenset()
        """The methods that the other side knows."""
        self.session_timer = SessionTimer(core.timers, on_refresh=self._refresh, on_expired=self._expired)
        self.offers = OfferExchange(self, self.session_timer)
        self.transfer = Transfer(self)
        self.referral = Referral(self)

    # -- commands ----------------------------------------------------------------------------------------------------

    @abstractmethod
    def hang_up(self, now: float, status: int = 480) -> None:
        """End it, in whatever state it is; `status` is for one that was never answered."""

    def send_info(self, content_type: str, body: bytes, now: float) -> None:
        """Send an INFO."""

        def answered(response: ResponseMessage, now: float) -> None:
            if response.is_final:
                self.core.emit(InfoAnswered(call=self.id, status=response.status))
                self.end_if_gone(response, now)

        self.request("INFO", now, answered, body=body, content_type=content_type)

    # -- requests within the dialog ----------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        now: float,
        on_response: Callable[[ResponseMessage, float], None],
        *,
        headers: Iterable[tuple[str, str | None]] = (),
        body: bytes = b"",
        content_type: str = SDP,
        dialog: Dialog | None = None,
    ) -> PendingRequest:
        """Send a request within the dialog.

        Only one to the server has credentials, and only where nobody is behind it may it be asked for them: others
        could be any phone, which would guess the password with what it gets.
        """
        self.auth.settle()
        within = dialog or self.known_dialog()
        hop, more = self.hop_of(within), tuple(headers)
        auth = self.auth if self._is_server(hop, within) else Authenticator(None, self.core.world.token)

        def compose() -> RequestMessage:
            fields = (*within.headers(method), *more, ("Content-Type", content_type if body else None))
            return RequestMessage(method=method, uri=str(within.target), headers=head_of(fields), body=body)

        pending = PendingRequest(self.core, compose, [hop], auth, on_response, may_be_asked=not within.routes)
        pending.send(now)
        return pending

    def hop_of(self, dialog: Dialog) -> Hop:
        """Where requests go: straight, or by the server of the call if the straight way is out of reach, or not hidden.

        What has begun by TLS stays there, since descriptions may have keys in them. A server that names its address is
        the one at the other end of the connection, whose certificate was for its name.
        """
        hop, flow = dialog.next_hop(), dialog.flow
        is_hidden = hop.transport == "tls" or flow.transport != "tls"
        places = {("tls", name.lower(), flow.port) for name in (flow.host, flow.name) if flow.transport == "tls"}
        is_there = (hop.transport, hop.host.lower(), hop.port) in places
        return hop if is_hidden and not is_there and self.core.world.may_reach(hop) else flow

    def _is_server(self, hop: Hop, dialog: Dialog) -> bool:
        """Whether a hop is the server of the call, or another one of the operator's."""
        return hop.host in (dialog.flow.host, dialog.flow.name) or self.core.world.is_server(hop)

    def known_dialog(self) -> Dialog:
        """Its dialog; ValueError if it has none yet."""
        if self.dialog is None:
            raise ValueError("the call has no dialog yet")
        return self.dialog

    def contact(self, hop: Hop) -> str:
        """Our Contact."""
        return self.core.contact(hop, self.user, self.token)

    def offer_headers(self, hop: Hop) -> tuple[tuple[str, str | None], ...]:
        """What every message has that can open a dialog or change it."""
        return (("Contact", self.contact(hop)), ("Allow", ALLOW), ("Supported", self.core.supported))

    def acknowledge(self, invite: RequestMessage, dialog: Dialog) -> tuple[RequestMessage, Hop]:
        """Send the ACK of a 2xx, with the INVITE's number and credentials; it is returned for repetitions."""
        number = int(invite.headers.get("CSeq").split()[0])
        hop = self.hop_of(dialog)
        given = invite.headers.fields if self._is_server(hop, dialog) else ()
        credentials = [field for field in given if field[0].endswith("Authorization")]
        fields = (*dialog.headers("ACK", number=number), *credentials)
        plain = RequestMessage(method="ACK", uri=str(dialog.target), headers=head_of(fields))
        request = self.core.addressed(plain, hop)
        self.core.transmit(request, hop)
        return request, hop

    def say_bye(self, dialog: Dialog, now: float) -> None:
        """Send BYE; nothing depends on its answer."""
        self.request("BYE", now, lambda response, now: self._bye_answered(response, dialog), dialog=dialog)

    def _bye_answered(self, response: ResponseMessage, dialog: Dialog) -> None:
        if response.is_final:
            self.book.unbind(dialog)

    # -- what arrives ------------------------------------------------------------------------------------------------

    def receive(self, request: RequestMessage, dialog: Dialog, transaction: ServerTransaction, now: float) -> None:
        """A request within the dialog, but ACK; new to its transaction."""
        if not dialog.takes(request):
            self.respond(transaction, 500, now)
            return
        match request.method:
            case "BYE":
                self.respond(transaction, 200, now)
                self.bye_received(now)
            case _ if self.is_over:
                self.respond(transaction, 481, now)
            case "INVITE":
                self.offers.invited(request, transaction, now)
            case "UPDATE":
                self.offers.updated(request, dialog, transaction, now)
            case "INFO":
                self.respond(transaction, 200, now)
                content_type = request.headers.get("Content-Type").partition(";")[0].strip().lower()
                self.core.emit(InfoArrived(call=self.id, content_type=content_type, body=request.body))
            case "REFER":
                self.referral.asked(request, transaction, now)
            case "NOTIFY":
                self.transfer.notified(request, dialog, transaction, now)
            case _:
                self.receive_other(request, transaction, now)

    def receive_other(self, request: RequestMessage, transaction: ServerTransaction, now: float) -> None:
        """A request of a method that calls do not have in common."""
        self.respond(transaction, 200 if request.method == "OPTIONS" else 405, now, ("Allow", ALLOW))

    def acknowledged(self, request: RequestMessage, now: float) -> None:
        """An ACK within the dialog."""
        self.offers.acknowledged(request, now)

    def bye_received(self, now: float) -> None:
        """The other side ends it."""
        self.end(200, "BYE", now)
        self.book.unbind(self.known_dialog())

    def respond(
        self,
        transaction: ServerTransaction,
        status: int,
        now: float,
        *headers: tuple[str, str | None],
        body: bytes | None = None,
    ) -> ResponseMessage:
        """Answer a request within the dialog."""
        tag = "" if self.dialog is None else self.dialog.local.tag
        response = self.core.response(transaction.request, status, tag=tag, headers=headers, body=body)
        transaction.respond(response, now)
        return response

    # -- the end -----------------------------------------------------------------------------------------------------

    def end_if_gone(self, response: ResponseMessage, now: float) -> None:
        """End the call if a request within it was answered as by somebody who does not know it."""
        if response.status in GONE and self.is_up:
            dialog = self.known_dialog()
            self.end(response.status, response.reason, now)
            if response.status == 481:
                self.book.unbind(dialog)
            else:
                self.say_bye(dialog, now)

    def end(self, status: int, reason: str, now: float) -> None:
        """It is over, and the owner is told so unless it was the owner's doing."""
        was_over, was_up = self.is_over, self.is_up
        self.close(now)
        if not was_over:
            self.core.emit(CallEnded(call=self.id, status=status, reason=printable(reason), was_up=was_up))

    def _refresh(self, now: float) -> None:
        self.offers.refresh(now)

    def _expired(self, now: float) -> None:
        self.say_bye(self.known_dialog(), now)
        self.end(408, "the session was not refreshed", now)

    def close(self, now: float) -> None:
        """Nothing of it is repeated any more, and nothing within it is expected but BYE and its like."""
        self.is_over, self.is_up = True, False
        self.offers.close(now)
        self.session_timer.stop()
        self.transfer.close()
        self.referral.close(now)
        self.book.drop(self)

    def note_abilities(self, message: RequestMessage | ResponseMessage) -> None:
        """Take what the other side says about itself."""
        if message.headers.has("Allow"):
            self.allows = frozenset(value.upper() for value in message.headers.values("Allow"))
