"""A call that we make: INVITE, what rings, the first phone that answers, and the others that a proxy may bring."""

from collections.abc import Sequence
from typing import Final

from attrs import field, frozen

from protocol.sip.calls.call import CallBook, SipCall
from protocol.sip.calls.dialog import Dialog, dialog_of_response
from protocol.sip.core import SDP, SipCore
from protocol.sip.events import CallAnswered, CallEnded, CallProgressed
from protocol.sip.messages.bodies import readable_description
from protocol.sip.messages.digest import Authenticator
from protocol.sip.messages.headers import CSeq, NameAddress, SipUri, parse_name_address, printable, whole_number
from protocol.sip.messages.message import RequestMessage, ResponseMessage, SipError, head_of
from protocol.sip.pending_request import PendingRequest
from protocol.sip.transactions.machines import TIMEOUT, Hop, cancel_of
from protocol.sip.transactions.states import ClientTransactionState
from protocol.sip.transactions.timers import Timer

MAX_RINGING: Final = 180.0
"""Seconds that a phone may ring; as timer C of proxies."""
MAX_FORKS: Final = 16
_TOO_SHORT: Final = 422
_UNACCEPTABLE: Final = frozenset({488, 606})
"""What an offer is refused with that the phone cannot answer (RFC 3261 section 21.4.26)."""


@frozen(kw_only=True)
class Invitation:
    """Whom to call, and as whom. `hops` are the servers to try in turn, `routes` a proxy that must be passed first.

    `fallback` is offered to a phone that refuses the first offer for its media. `contact_user` and `contact_token` are
    those of our Contact; `headers` are added to the INVITE.
    """

    caller: NameAddress
    callee: SipUri
    hops: Sequence[Hop]
    offer: bytes = field(repr=False)
    contact_user: str
    contact_token: str
    routes: tuple[str, ...] = ()
    fallback: bytes | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = ()


class OutgoingCall(SipCall):
    """See above."""

    is_incoming = False

    def __init__(self, core: SipCore, book: CallBook, auth: Authenticator, invitation: Invitation) -> None:
        super().__init__(core, book, auth, user=invitation.contact_user, token=invitation.contact_token)
        self._invitation = invitation
        self._offers = [offer for offer in (invitation.offer, invitation.fallback) if offer is not None]
        self._call_id = core.world.token()
        self._local = invitation.caller.with_tag(core.world.token())
        self._number = 0
        self._early: dict[str, Dialog] = {}
        self._acks: dict[str, tuple[RequestMessage, Hop]] = {}
        self._reliable: dict[str, int] = {}
        self._wants_cancel = False
        self._deadline: Timer | None = None
        self._invite = PendingRequest(core, self._compose, invitation.hops, auth, self._responded)

    def start(self, now: float) -> None:
        """Send the INVITE."""
        self.offers.local = self._offers[0]
        self._invite.send(now)

    def hang_up(self, now: float, status: int = 480) -> None:
        """BYE, or CANCEL as soon as that may be sent (RFC 3261 9.1)."""
        if self.is_over:
            return
        if self.is_up:
            dialog = self.known_dialog()
            self.close(now)
            self.say_bye(dialog, now)
        else:
            self.close(now)
            self._cancel(now)

    def _compose(self) -> RequestMessage:
        self._number += 1
        call = self._invitation
        fields = (
            *(("Route", route) for route in call.routes),
            ("From", str(self._local)),
            ("To", str(NameAddress(uri=call.callee))),
            ("Call-ID", self._call_id),
            ("CSeq", str(CSeq(number=self._number, method="INVITE"))),
            *self.offer_headers(self._invite.hop),
            *self.session_timer.headers(),
            *call.headers,
            ("Content-Type", SDP),
        )
        return RequestMessage(method="INVITE", uri=str(call.callee), headers=head_of(fields), body=self._offers[0])

    # -- responses ---------------------------------------------------------------------------------------------------

    def _responded(self, response: ResponseMessage, now: float) -> None:
        if response.status < 200:
            self._progressed(response, now)
        elif response.status < 300:
            self._answered(response, now)
        elif response.status == _TOO_SHORT and not self.is_over and self.session_timer.lengthen(response):
            self._invite.start_anew(now)
        elif response.status in _UNACCEPTABLE and not (self.is_over or self.is_up) and len(self._offers) > 1:
            del self._offers[0]
            self.offers.local = self._offers[0]
            self._invite.start_anew(now)
        else:
            self._failed(response, now)

    def _progressed(self, response: ResponseMessage, now: float) -> None:
        if self._deadline is None:
            self._deadline = self.core.timers.at(now + MAX_RINGING, self._rang_out)
        if self._wants_cancel:
            self._cancel(now)
        dialog = self._dialog_of(response)
        if response.status == 100 or self.is_over or self.is_up or dialog is None:
            return
        self.note_abilities(response)
        if "100rel" in response.headers.tokens("Require") and not self._acknowledge_progress(response, dialog, now):
            return
        progress = CallProgressed(
            call=self.id,
            status=response.status,
            reason=printable(response.reason),
            description=readable_description(response),
            dialog=dialog.remote.tag,
        )
        self.core.emit(progress)

    def _acknowledge_progress(self, response: ResponseMessage, dialog: Dialog, now: float) -> bool:
        """PRACK (RFC 3262); False if it is a repetition or out of order."""
        number, tag = whole_number(response.headers.get("RSeq")), dialog.remote.tag
        known = self._reliable.get(tag)
        if number is None or (known is not None and number != known + 1):
            return False
        self._reliable[tag] = number
        headers = (("RAck", f"{number} {response.headers.get('CSeq')}"),)
        self.request("PRACK", now, lambda response, now: None, headers=headers, dialog=dialog)
        return True

    def _answered(self, response: ResponseMessage, now: float) -> None:
        dialog = self._dialog_of(response)
        if dialog is None:
            return
        tag = dialog.remote.tag
        if tag in self._acks:
            self.core.repeat(*self._acks[tag])
            return
        dialog.refresh_target(response)
        dialog.routes = self._routes_of(response, dialog)
        self._acks[tag] = self.acknowledge(self._sent, dialog)
        if self.is_over or self.is_up:
            self.say_bye(dialog, now)
            return
        self._forget_ringing()
        self.dialog, self.is_up = dialog, True
        self._unbind_early()
        self.note_abilities(response)
        self.session_timer.agreed(response, now)
        description = readable_description(response)
        self.core.emit(CallAnswered(call=self.id, description=description, dialog=tag, message=response))

    def _failed(self, response: ResponseMessage, now: float) -> None:
        self._forget_ringing()
        if self.is_up:
            return
        was_over = self.is_over
        self.close(now)
        if not was_over:
            reason = printable(response.reason)
            self.core.emit(CallEnded(call=self.id, status=response.status, reason=reason, was_up=False))

    @property
    def _sent(self) -> RequestMessage:
        if self._invite.transaction is None:
            raise ValueError("the INVITE has not been sent yet")
        return self._invite.transaction.request

    def _dialog_of(self, response: ResponseMessage) -> Dialog | None:
        """The dialog of a response, made if need be; None if it has no tag, or there are too many."""
        try:
            tag = parse_name_address(response.headers.get("To")).tag
            if tag in self._early:
                return self._early[tag]
            if not tag or len(self._early) >= MAX_FORKS:
                return None
            made = dialog_of_response(self._sent, response, self._invite.hop)
        except SipError:
            return None
        self._early[tag] = made
        self.book.bind(made, self)
        return made

    def _routes_of(self, response: ResponseMessage, dialog: Dialog) -> tuple[str, ...]:
        """Those of the 2xx, which count (RFC 3261 13.2.2.4)."""
        try:
            return dialog_of_response(self._sent, response, dialog.flow).routes
        except SipError:
            return dialog.routes

    # -- giving up ---------------------------------------------------------------------------------------------------

    def _cancel(self, now: float) -> None:
        transaction = self._invite.transaction
        self._invite.stop_trying()
        if transaction is None or transaction.state is not ClientTransactionState.PROCEEDING:
            self._wants_cancel = transaction is not None and transaction.waits
            return
        self._wants_cancel = False
        request = cancel_of(transaction.request)
        self.core.begin(
            request, transaction.hop, now, on_response=lambda response, now: None, on_timeout=lambda now: None
        )
        self._forget_ringing()
        self._deadline = self.core.timers.at(now + TIMEOUT, self._given_up)

    def _given_up(self, now: float) -> None:
        """CANCEL has brought no final response."""
        self._invite.give_up()
        self._unbind_early()

    def close(self, now: float) -> None:
        """As of every call."""
        super().close(now)
        self._unbind_early()

    def _rang_out(self, now: float) -> None:
        if not self.is_up and not self.is_over:
            self.end(408, "rang too long", now)
            self._cancel(now)

    def _forget_ringing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()

    def _unbind_early(self) -> None:
        for dialog in self._early.values():
            if dialog is not self.dialog:
                self.book.unbind(dialog)
