"""A call that comes to us: it rings, is answered or refused, or its caller thinks better of it."""

from protocol.sip.calls.call import CallBook, SipCall
from protocol.sip.calls.dialog import dialog_of_request
from protocol.sip.core import SipCore
from protocol.sip.messages.digest import Authenticator
from protocol.sip.messages.message import RequestMessage, ResponseMessage
from protocol.sip.transactions.machines import T1, TIMEOUT, ServerTransaction
from protocol.sip.transactions.timers import Timer


class IncomingCall(SipCall):
    """See above. Raises SipError for an INVITE whose caller cannot be read."""

    is_incoming = True

    def __init__(
        self,
        core: SipCore,
        book: CallBook,
        auth: Authenticator,
        transaction: ServerTransaction,
        *,
        user: str,
        token: str,
    ) -> None:
        super().__init__(core, book, auth, user=user, token=token)
        self.invite = transaction
        request = transaction.request
        number = int(core.world.uniform(1, 10_000))
        self.dialog = dialog_of_request(request, core.world.token(), transaction.hop, local_number=number)
        self.note_abilities(request)
        self._wants_reliable = "100rel" in request.headers.tokens("Require")
        self._reliable_number = int(core.world.uniform(1, 10_000))
        self._unconfirmed: ResponseMessage | None = None
        self._repetition: Timer | None = None
        self._is_answered = False

    # -- commands ----------------------------------------------------------------------------------------------------

    def ring(self, now: float) -> None:
        """180."""
        self._progress(180, None, now)

    def progress(self, body: bytes, now: float) -> None:
        """183 with a description: early media."""
        self._progress(183, body, now)

    def answer(self, body: bytes, now: float) -> None:
        """200, repeated until it is acknowledged."""
        if self.is_over or self._is_answered:
            return
        self._is_answered = self.is_up = True
        self._stop_repeating()
        request = self.invite.request
        more = self.session_timer.asked(request, now)
        response = self.respond(self.invite, 200, now, *self.offer_headers(self.invite.hop), *more, body=body)
        self.offers.local = body
        self.offers.repeat_until_acknowledged(self.invite, response, now)

    def hang_up(self, now: float, status: int = 480) -> None:
        """BYE, or this status if it was not answered."""
        if self.is_over:
            return
        dialog, was_up = self.known_dialog(), self.is_up
        self.close(now)
        if was_up:
            self.say_bye(dialog, now)
        else:
            self._refuse(status, now)

    def _progress(self, status: int, body: bytes | None, now: float) -> None:
        if self.is_over or self._is_answered or self._unconfirmed is not None:
            return
        headers = [*self.offer_headers(self.invite.hop)]
        if self._wants_reliable:
            self._reliable_number += 1
            headers += [("Require", "100rel"), ("RSeq", str(self._reliable_number))]
        response = self.respond(self.invite, status, now, *headers, body=body)
        if self._wants_reliable:
            self._unconfirmed = response
            self._repeat_later(now, T1, now + TIMEOUT)

    def _repeat_later(self, now: float, interval: float, until: float) -> None:
        def repeat(now: float) -> None:
            if self._unconfirmed is not None and now < until:
                self.core.repeat(self._unconfirmed, self.invite.hop)
                self._repeat_later(now, interval * 2, until)

        self._repetition = self.core.timers.at(now + interval, repeat)

    # -- what arrives ------------------------------------------------------------------------------------------------

    def receive_other(self, request: RequestMessage, transaction: ServerTransaction, now: float) -> None:
        """PRACK, beside what all calls know."""
        if request.method != "PRACK":
            super().receive_other(request, transaction, now)
            return
        wanted = None if self._unconfirmed is None else self._unconfirmed.headers.get("RSeq")
        if wanted is None or request.headers.get("RAck").split()[:1] != [wanted]:
            self.respond(transaction, 481, now)
            return
        self._stop_repeating()
        self.respond(transaction, 200, now)

    def bye_received(self, now: float) -> None:
        """A caller may say BYE before the call is answered as well."""
        if not self._is_answered:
            self._refuse(487, now)
        super().bye_received(now)

    def cancelled(self, now: float) -> None:
        """CANCEL arrives; it comes too late for a call that is answered."""
        if not self._is_answered and not self.is_over:
            self._refuse(487, now)
            self.end(487, "cancelled", now)

    def _refuse(self, status: int, now: float) -> None:
        self._stop_repeating()
        self.respond(self.invite, status, now)
        self.book.unbind(self.known_dialog())

    def _stop_repeating(self) -> None:
        self._unconfirmed = None
        if self._repetition is not None:
            self._repetition.cancel()
