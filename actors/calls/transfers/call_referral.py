"""A transfer that a call's phone orders (REFER): somebody else is called, who takes the phone's place.

    asked      the rules and limits of calls, and the backend; then 202, or a refusal
    followed   the target is called, and the phone told how far that is. The call goes on with the phone meanwhile, or
               in silence, if that has left
    answered   the target's media takes the place of the phone's, which is to say BYE

If the target does not answer, all is as before; the call is over if the phone has left.
"""

from typing import Final, Protocol

import trio
from attrs import define, evolve, field, frozen

from actors.calls.all_calls.call_counts import COMPLETED, FAILED, PHONE, REFUSED
from actors.calls.all_calls.call_place import CallPlace
from actors.calls.all_calls.services import CallServices
from actors.calls.call_messages import CallMessage, PartingOver
from actors.calls.call_report import CallReport
from actors.calls.media.both_ends import BothEnds
from actors.calls.media.call_digits import CallDigits
from actors.calls.media.call_exchange import CallExchange
from actors.calls.media.phone_end import PhoneEnd
from actors.calls.owner import CallOwner
from actors.calls.sip.dialer import Dialer
from actors.calls.sip.phone_line import CallListener, PhoneLine
from actors.calls.transfers.call_transfer import CallTransfer
from actors.runtime.logs import get_logger
from protocol.calls.fraud_limits import CallTicket
from protocol.calls.info_texts import CallInfo, CallRefused
from protocol.calls.phone_sdp import read_phone
from protocol.calls.protection import media_protection
from protocol.calls.statuses import CallStatus, TransferStatus, status_of_end
from protocol.hooks import Allow, HookMethod
from protocol.sip.events import (
    CallAnswered,
    CallArrived,
    CallEnded,
    CallEvent,
    CallProgressed,
    OfferArrived,
    TransferAsked,
)
from protocol.sip.messages.headers import SipUri
from protocol.sip.transactions.machines import TIMEOUT

PARTING: Final = 10.0
"""Seconds within which a phone that has transferred its call is to say BYE; then it is told."""
_DENIED, _PENDING, _TERMINATED, _UNACCEPTABLE, _GONE = 603, 491, 487, 488, 481

log = get_logger("calls")


class ReferredCall(Protocol):
    """The call, which is transferred."""

    call_id: str
    session_id: str

    async def go_on(self) -> None: ...
    def finish(self, status: CallStatus, info: str) -> None: ...
    def sip_told(self, event: CallEvent) -> None: ...
    def part_later(self, seconds: float) -> None:
        """Have the referral served with PartingOver after this time."""


@frozen(kw_only=True, eq=False)
class CallInsides:
    """The parts of the call that a transfer is about."""

    owner: CallOwner
    dialer: Dialer
    services: CallServices
    place: CallPlace
    ends: BothEnds
    report: CallReport
    exchange: CallExchange
    digits: CallDigits
    transfers: CallTransfer
    visible_name: str


@define(eq=False)
class _Attempt:
    """The call to the target. `ticket` is its place within the limits, `early` what its phones have described."""

    target: SipUri
    ticket: CallTicket
    is_followed: bool = False
    """The phone has been told that it will be tried."""
    has_phone_left: bool = False
    is_held: bool = False
    line: PhoneLine | None = None
    end: PhoneEnd | None = None
    early: dict[str, bytes] = field(factory=dict)

    @property
    def name(self) -> str:
        return self.target.address_of_record


class CallReferral:
    """See above; one at a time."""

    def __init__(self, insides: CallInsides) -> None:
        self._insides = insides
        self._attempt: _Attempt | None = None
        self._former: PhoneLine | None = None
        self._coming: dict[str, PhoneLine] = {}

    # -- for the call --------------------------------------------------------------------------------------------

    async def serve(self, message: CallMessage, call: ReferredCall) -> bool:
        """Whether a message is about transfers by phones, or about another phone than the call's: then it is done."""
        is_alone = self._attempt is not None and self._attempt.has_phone_left
        if isinstance(message, CallEvent) and (is_alone or not self._insides.exchange.is_with(message.call)):
            self._take(message, call)
        elif isinstance(message, CallEnded):
            call.sip_told(message)  # of a phone that was not the call's yet when this came
        elif isinstance(message, TransferAsked):
            await self._ask(message, call)
        elif isinstance(message, PartingOver):
            self._part()
        else:
            return False
        return True

    def noted(self, event: CallEvent) -> CallEvent:
        """An event that waits for its turn: who comes in the phone's place is told, if the call ends before."""
        phone = self._insides.exchange.phone
        if isinstance(event, CallArrived) and phone is not None:
            self._coming[event.call] = phone.other(event.call)
        return event

    def phone_left(self) -> bool:
        """The phone is gone; whether the call goes on without it, since somebody else is being called."""
        attempt = self._attempt
        if attempt is None or not attempt.is_followed:
            return False
        attempt.has_phone_left = True
        if attempt.end is not None:
            self._insides.ends.put_phone(attempt.end)
        return True

    def close(self) -> None:
        """No packet from here on."""
        if self._attempt is not None and self._attempt.end is not None:
            self._attempt.end.leg.close()

    def end(self) -> None:
        """The call is over."""
        attempt, phone = self._attempt, self._insides.exchange.phone
        if attempt is not None and attempt.is_followed and phone is not None:
            phone.tell_transfer(_TERMINATED, "Request Terminated")
            self._insides.services.counts.transferred(PHONE, FAILED)
        self._give_up()
        self._part()
        for line in self._coming.values():
            line.hang_up(_GONE)

    # -- before the target is called -----------------------------------------------------------------------------

    async def _ask(self, event: TransferAsked, call: ReferredCall) -> None:
        phone = self._insides.exchange.phone
        if phone is None:
            return
        try:
            attempt, replaces = await self._admit(event, call)
        except CallRefused as refused:
            self._give_up()
            self._insides.services.counts.transferred(PHONE, REFUSED)
            self._insides.services.refused(refused, session=call.session_id, call=call.call_id)
            phone.answer_transfer(refused.sip_status)
            return
        attempt.is_followed = self._insides.transfers.is_by_phone = True
        phone.answer_transfer(202)
        self._tell(attempt, TransferStatus.TRYING, 100, "Trying")
        try:
            await self._dial(attempt, replaces, call)
        except CallRefused as refused:
            self._failed(attempt, refused.sip_status, refused.info, call)

    async def _admit(self, event: TransferAsked, call: ReferredCall) -> tuple[_Attempt, str | None]:
        inside, asked_at = self._insides, trio.current_time()
        fault = inside.transfers.fault
        if fault is not None:
            raise CallRefused(fault, "REFER", sip_status=_PENDING)
        target, party = inside.dialer.party(event.target), inside.place.party
        counted = evolve(party, address=party.address or party.account)
        attempt = self._attempt = _Attempt(target, inside.services.admit(counted))
        body = inside.report.body(target=attempt.name)
        verdict = await inside.owner.lane.authorize(HookMethod.ON_TRANSFER_EVENT, body)
        await call.go_on()
        if not isinstance(verdict, Allow):
            inside.report.warn(HookMethod.ON_TRANSFER_EVENT, verdict.info)
            raise CallRefused(verdict.info, "the backend", sip_status=_DENIED)
        if trio.current_time() - asked_at >= TIMEOUT:
            raise CallRefused(CallInfo.NOT_ANSWERED, "REFER: the phone waits no longer", sip_status=408)
        named = verdict.body.get("target")
        if not isinstance(named, str) or named in ("", attempt.name):
            return attempt, event.replaces
        attempt.target = inside.dialer.callee(named)
        return attempt, None

    async def _dial(self, attempt: _Attempt, replaces: str | None, call: ReferredCall) -> None:
        inside = self._insides
        route = await inside.dialer.route(attempt.target)
        await call.go_on()
        protection = media_protection(inside.services.settings.sip_sdes, route.transports)
        attempt.end = inside.ends.open_another(route.hosts, protection)
        attempt.is_held = inside.ends.held.wanted
        offers = inside.ends.offer_another(attempt.end)
        if attempt.has_phone_left:
            inside.ends.put_phone(attempt.end)
        listener: CallListener = call.sip_told
        attempt.line = inside.dialer.dial(
            attempt.target, route, offers, visible_name=inside.visible_name, listener=listener, replaces=replaces
        )

    # -- what comes of it ----------------------------------------------------------------------------------------

    def _take(self, event: CallEvent, call: ReferredCall) -> None:
        attempt = self._attempt
        if isinstance(event, CallArrived):
            self._take_over(event, call)
            return
        if attempt is None or attempt.line is None or event.call != attempt.line.id:
            self._hear_former(event)
            return
        match event:
            case CallProgressed():
                self._progressed(attempt, event)
            case CallAnswered():
                self._answered(attempt, event, call)
            case CallEnded():
                self._failed(attempt, event.status, event.reason, call)

    def _progressed(self, attempt: _Attempt, event: CallProgressed) -> None:
        if event.description is not None:
            attempt.early[event.dialog] = event.description
        phone = self._insides.exchange.phone
        if phone is not None and event.status >= 180:
            phone.tell_transfer(event.status, event.reason)

    def _answered(self, attempt: _Attempt, event: CallAnswered, call: ReferredCall) -> None:
        inside, former = self._insides, self._insides.exchange.phone
        if attempt.end is None or former is None:
            return
        description = event.description or attempt.early.get(event.dialog)
        try:
            inside.ends.replace_phone(attempt.end, read_phone(description), held=attempt.is_held)
        except CallRefused as refused:
            self._failed(attempt, refused.sip_status, refused.info, call)
            return
        self._attempt, inside.transfers.is_by_phone = None, False
        inside.exchange.phone = attempt.line
        inside.place.take_over(attempt.ticket)
        inside.digits.start_anew()
        log.info("call transferred", id=call.call_id, session=call.session_id, target=attempt.name)
        self._tell(attempt, TransferStatus.COMPLETED, 200, "OK")
        inside.report.sip_status = 200
        inside.report.go_on_with(attempt.name, held=inside.ends.held.is_on)
        former.tell_transfer(200, "OK")
        self._part()
        self._former = former
        call.part_later(0.0 if attempt.has_phone_left else PARTING)
        inside.exchange.settle()

    def _take_over(self, event: CallArrived, call: ReferredCall) -> None:
        """Somebody calls whom the phone has told to, in its place (Replaces)."""
        inside, phone, end = self._insides, self._insides.exchange.phone, None
        line = self._coming.pop(event.call, None)
        if phone is None or line is None or not line.is_open:
            return
        if event.replaces != phone.id:  # but of one that has transferred the call, or is to get it
            line.hang_up(_GONE)
            return
        try:
            if inside.transfers.fault is not None:
                raise CallRefused(inside.transfers.fault, "Replaces", sip_status=_PENDING)
            protection = media_protection(inside.services.settings.sip_sdes, [event.source.transport])
            end = inside.ends.open_another((event.source.host,), protection)
            description = inside.ends.answer_another(end, event.offer)
        except CallRefused as refused:
            if end is not None:
                end.leg.close()
            inside.services.counts.transferred(PHONE, REFUSED)
            inside.services.refused(refused, session=call.session_id, call=call.call_id)
            line.hang_up(refused.sip_status)
            return
        line.answer(description)
        inside.exchange.phone = line
        inside.digits.start_anew()
        name = event.caller.uri.address_of_record
        log.info("call transferred", id=call.call_id, session=call.session_id, target=name)
        inside.report.go_on_with(name, held=inside.ends.held.is_on)
        inside.services.counts.transferred(PHONE, COMPLETED)
        phone.hang_up()
        inside.exchange.settle()

    def _failed(self, attempt: _Attempt, status: int, reason: str, call: ReferredCall) -> None:
        inside, phone = self._insides, self._insides.exchange.phone
        self._tell(attempt, TransferStatus.FAILED, status, reason)
        if phone is not None:
            phone.tell_transfer(status, reason)
        self.close()
        self._give_up()
        if attempt.has_phone_left:
            info = f"{status} {reason}".strip()
            inside.report.sip_status = status
            call.finish(status_of_end(status, was_up=True), info)

    def _tell(self, attempt: _Attempt, status: TransferStatus, sip_status: int, reason: str) -> None:
        self._insides.report.transfer(
            status, target=attempt.name, sip_status=sip_status, reason=reason, is_by_page=False
        )

    def _give_up(self) -> None:
        """There is no target any more."""
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            return
        self._insides.transfers.is_by_phone = False
        self._insides.services.limits.give_back(attempt.ticket, 0.0, trio.current_time())
        if attempt.line is not None:
            attempt.line.hang_up()

    def _part(self) -> None:
        """The phone that has transferred its call had time enough to end it."""
        former, self._former = self._former, None
        if former is not None:
            former.hang_up()

    def _hear_former(self, event: CallEvent) -> None:
        """The phone that was there before is to end its call, and can do nothing else with it."""
        former = self._former
        if former is None or event.call != former.id:
            return
        match event:
            case CallEnded():
                self._former = None
            case OfferArrived():
                former.refuse_offer(_UNACCEPTABLE)
            case TransferAsked():
                former.answer_transfer(_PENDING)
