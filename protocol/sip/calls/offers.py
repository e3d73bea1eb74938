"""New offers within a call: re-INVITE and UPDATE, both ways, one at a time (RFC 3261 section 14, RFC 3311).

If both sides offer at once, both are answered by 491 and try again after a random time, the caller later.
"""

from typing import Final

from protocol.sip.calls.call_port import CallPort
from protocol.sip.calls.dialog import Dialog
from protocol.sip.calls.repeated_answer import RepeatedAnswer
from protocol.sip.calls.session_timer import MIN_EXPIRES, SessionTimer
from protocol.sip.events import CallAcknowledged, OfferAccepted, OfferArrived, OfferRefused
from protocol.sip.messages.bodies import readable_description, session_description
from protocol.sip.messages.headers import printable
from protocol.sip.messages.message import RequestMessage, ResponseMessage, SipError
from protocol.sip.pending_request import PendingRequest
from protocol.sip.transactions.machines import Hop, ServerTransaction
from protocol.sip.transactions.timers import Timer

MAX_ANSWER_TIME: Final = 30.0
"""Seconds that an offer may wait for our owner."""
MAX_GLARE: Final = 5
"""Times that an offer is tried again after a 491."""


class OfferExchange:
    """See above. `offer` while another is under way waits for its end; the last one counts."""

    def __init__(self, call: CallPort, session_timer: SessionTimer) -> None:
        self._call, self._session_timer = call, session_timer
        self._ours: PendingRequest | None = None
        self._theirs: ServerTransaction | None = None
        self._answer: RepeatedAnswer | None = None
        self._retry: Timer | None = None
        self._patience: Timer | None = None
        self._glares = 0
        self._waiting: bytes | None = None
        self._offered: bytes | None = None
        self._ack: tuple[RequestMessage, Hop] | None = None
        self.local: bytes | None = None
        """The description that we sent last."""

    # -- ours --------------------------------------------------------------------------------------------------------

    def offer(self, body: bytes, now: float) -> None:
        """Offer something else."""
        if self._is_busy:
            self._waiting = body
        else:
            self._glares = 0
            self._send(body, now)

    def refresh(self, now: float) -> None:
        """Offer what is already agreed, to show that the call lives: by UPDATE, if the other side knows it."""
        if self._is_busy:
            return  # any offer refreshes
        if "UPDATE" in self._call.allows:
            headers = (*self._headers(), *self._session_timer.headers())
            self._call.request("UPDATE", now, self._refreshed, headers=headers)
        elif self.local is not None:
            self._send(self.local, now, is_refresh=True)

    def _refreshed(self, response: ResponseMessage, now: float) -> None:
        if 200 <= response.status < 300:
            self._call.known_dialog().refresh_target(response)
            self._session_timer.agreed(response, now)
        self._call.end_if_gone(response, now)

    @property
    def _is_busy(self) -> bool:
        return bool(self._ours or self._theirs or self._answer or (self._retry and self._retry.is_pending))

    def _headers(self) -> tuple[tuple[str, str | None], ...]:
        call = self._call
        return call.offer_headers(call.hop_of(call.known_dialog()))

    def _send(self, body: bytes, now: float, *, is_refresh: bool = False) -> None:
        self._offered = None if is_refresh else body
        headers = (*self._headers(), *self._session_timer.headers())

        def responded(response: ResponseMessage, now: float) -> None:
            self._responded(response, body, now)

        self._ours = self._call.request("INVITE", now, responded, headers=headers, body=body)

    def _responded(self, response: ResponseMessage, body: bytes, now: float) -> None:
        if not response.is_final:
            return
        if self._ours is None:
            self._acknowledge_again(response)
            return
        if response.status < 300:
            self._accepted(response, body, now)
            return
        self._ours = None
        if response.status == 491 and self._glares < MAX_GLARE:
            self._glares += 1
            delay = self._call.core.world.uniform(*((0.0, 2.0) if self._call.is_incoming else (2.1, 4.0)))
            self._retry = self._call.core.timers.at(now + delay, lambda now: self._send_again(body, now))
            return
        if self._offered is not None:
            refused = OfferRefused(call=self._call.id, status=response.status, reason=printable(response.reason))
            self._call.core.emit(refused)
        self._call.end_if_gone(response, now)
        self._next(now)

    def _send_again(self, body: bytes, now: float) -> None:
        newer, self._waiting = self._waiting, None
        self._retry = None
        self._send(newer or body, now)

    def _accepted(self, response: ResponseMessage, body: bytes, now: float) -> None:
        call, dialog = self._call, self._call.known_dialog()
        dialog.refresh_target(response)
        if self._ours is not None and self._ours.transaction is not None:
            self._ack = call.acknowledge(self._ours.transaction.request, dialog)
        self._ours, self.local = None, body
        self._session_timer.agreed(response, now)
        if self._offered is not None:
            call.core.emit(OfferAccepted(call=call.id, description=readable_description(response)))
        self._next(now)

    def _acknowledge_again(self, response: ResponseMessage) -> None:
        if response.status < 300 and self._ack is not None:
            self._call.core.repeat(*self._ack)

    def _next(self, now: float) -> None:
        body, self._waiting = self._waiting, None
        if body is not None and not self._call.is_over:
            self.offer(body, now)

    # -- theirs ------------------------------------------------------------------------------------------------------

    def invited(self, request: RequestMessage, transaction: ServerTransaction, now: float) -> None:
        """A re-INVITE arrives."""
        self._offered_to_us(request, transaction, now)

    def updated(self, request: RequestMessage, dialog: Dialog, transaction: ServerTransaction, now: float) -> None:
        """An UPDATE arrives; without a description it only refreshes the session and the target.

        It may come from a phone that still rings, by its early dialog (RFC 3311).
        """
        if not request.body:
            call = self._call
            dialog.refresh_target(request)
            more = self._session_timer.asked(request, now) if call.is_up else ()
            call.respond(transaction, 200, now, *call.offer_headers(call.hop_of(dialog)), *more)
            return
        self._offered_to_us(request, transaction, now)

    def _offered_to_us(self, request: RequestMessage, transaction: ServerTransaction, now: float) -> None:
        call = self._call
        if self._session_timer.is_too_short(request):
            call.respond(transaction, 422, now, ("Min-SE", str(MIN_EXPIRES)))
            return
        if self._ours is not None:
            call.respond(transaction, 491, now)
            return
        if self._theirs is not None or self._answer is not None or not call.is_up:
            seconds = round(call.core.world.uniform(0, 10))
            call.respond(transaction, 500, now, ("Retry-After", str(seconds)))
            return
        try:
            offer = session_description(request)
        except SipError as error:
            call.respond(transaction, error.status_hint, now, ("Accept", "application/sdp"))
            return
        self._theirs = transaction
        self._patience = call.core.timers.at(now + MAX_ANSWER_TIME, self._unanswered)
        call.core.emit(OfferArrived(call=call.id, offer=offer))

    def _unanswered(self, now: float) -> None:
        self.refuse(500, now)

    def accept(self, body: bytes, now: float) -> None:
        """Accept the offer that has arrived; nothing happens if there is none."""
        transaction = self._taken()
        if transaction is None or not transaction.waits:
            return
        call, request = self._call, transaction.request
        call.known_dialog().refresh_target(request)
        more = self._session_timer.asked(request, now)
        response = call.respond(transaction, 200, now, *self._headers(), *more, body=body)
        self.local = body
        if transaction.is_invite:
            self._answer = RepeatedAnswer(call.core, transaction, response, now, self._unacknowledged)
        else:
            self._next(now)

    def refuse(self, status: int, now: float) -> None:
        """Refuse the offer that has arrived; the call goes on as it was."""
        transaction = self._taken()
        if transaction is not None:
            self._call.respond(transaction, status, now)
            self._next(now)

    def _taken(self) -> ServerTransaction | None:
        transaction, self._theirs = self._theirs, None
        if self._patience is not None:
            self._patience.cancel()
        return transaction

    def cancelled(self, transaction: ServerTransaction, now: float) -> None:
        """The other side takes its re-INVITE back."""
        if transaction is self._theirs:
            self.refuse(487, now)

    def repeat_until_acknowledged(self, transaction: ServerTransaction, response: ResponseMessage, now: float) -> None:
        """The first answer of the call, whose ACK is treated like that of a later one."""
        self._answer = RepeatedAnswer(self._call.core, transaction, response, now, self._unacknowledged)

    def acknowledged(self, request: RequestMessage, now: float) -> None:
        """An ACK arrives."""
        if self._answer is None or request.headers.get("CSeq").partition(" ")[0] != self._answer.number:
            return
        self._answer.stop()
        self._answer = None
        self._call.core.emit(CallAcknowledged(call=self._call.id, description=readable_description(request)))
        self._next(now)

    def _unacknowledged(self, now: float) -> None:
        self._answer = None
        dialog: Dialog = self._call.known_dialog()
        self._call.say_bye(dialog, now)
        self._call.end(408, "no ACK", now)

    def close(self, now: float) -> None:
        """The call is over."""
        for timer in (self._answer, self._retry, self._patience):
            if isinstance(timer, RepeatedAnswer):
                timer.stop()
            elif timer is not None:
                timer.cancel()
        if self._theirs is not None and self._theirs.waits:
            self._call.respond(self._theirs, 487, now)
        self._ours = self._theirs = self._answer = self._retry = self._waiting = None
