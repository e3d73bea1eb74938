"""A call: a page on one side, a phone on the other.

    on_start           asks the backend, opens the phone's end, and calls; or has the page told of who calls
    handle             what SIP and the media report, and what the page wants
    withdraw           no packet from here on
    notify_stopped     one last status to page and backend
    teardown           BYE, CANCEL or a refusal to the phone; all three inside stop()

What SIP repeats afterwards until it is acknowledged is the endpoint's. The task never touches a packet.
"""

from abc import abstractmethod
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from typing import Any, ClassVar

import trio
from attrs import frozen

from actors.calls.call_digits import CallDigits
from actors.calls.call_ends import CallEnds
from actors.calls.call_report import CallReport
from actors.calls.owner import CallOwner
from actors.calls.phone_line import PhoneLine
from actors.calls.services import CallServices
from actors.media.events import Connected, Failed, MediaEvent, PeerClosed
from actors.node.termination import Follower
from actors.runtime.actor import CRASHED, Actor, ActorStopped, MailboxFull, StopReason
from actors.runtime.logs import get_logger
from protocol.calls.description import CallDescription
from protocol.calls.fraud_limits import CallTicket
from protocol.calls.info_texts import CallInfo, CallRefused
from protocol.calls.life import CallStep
from protocol.calls.request import CallRequest
from protocol.calls.statuses import CallStatus, status_of_end
from protocol.hooks import Allow, HookMethod
from protocol.sip.events import (
    CallAcknowledged,
    CallEnded,
    CallEvent,
    InfoAnswered,
    OfferAccepted,
    OfferArrived,
    OfferRefused,
    TransferAsked,
)

log = get_logger("calls")

USER = StopReason(cause="user")
SESSION_GONE = StopReason(cause="session-disconnect", info=CallInfo.STOPPED_BY_SESSION_DISCONNECT)
_NOT_UP = "the call is not up"
_DECLINED = 603
_UNAVAILABLE = 480


@frozen
class AnswerWish:
    """The page answers."""

    sdp: str


@frozen
class HoldWish:
    """The page holds the call, or goes on."""

    held: bool


@frozen
class DigitsWish:
    """The page sends digits."""

    digits: str
    kind: str

    def __repr__(self) -> str:
        return "DigitsWish(***)"


@frozen
class TimeUp:
    """Something has lasted too long."""

    info: CallInfo


CallWish = AnswerWish | HoldWish | DigitsWish
CallMessage = CallEvent | MediaEvent | CallWish | TimeUp


class PhoneCall(Actor[CallMessage]):
    """See above. `ticket` is its place within the limits, which it gives back."""

    mailbox_size: ClassVar[int] = 64
    leads, weight = False, 1

    def __init__(self, request: CallRequest, owner: CallOwner, ticket: CallTicket, services: CallServices) -> None:
        super().__init__()
        self.call_id = request.call_id
        self.session_id = owner.context.session_id
        self._request, self._owner, self._services = request, owner, services
        self._ticket = ticket
        self._ends = CallEnds(
            services.plane.calls, services.plane.context, session_id=self.session_id, post=self._media_told
        )
        self._phone: PhoneLine | None = None
        self._digits = CallDigits(self._send_info)
        self._report = CallReport(request, owner, services.supervisor.events, created=int(services.wall_clock() * 1000))
        self._refusal = _UNAVAILABLE
        self._up_at: float | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.call_id})"

    # -- for its owner -------------------------------------------------------------------------------------------

    def hang_up(self) -> None:
        """The page ends the call."""
        if self.reason is None:
            self._owner.lane.notify(HookMethod.HANGUP, self._report.body())
            self._refusal = _DECLINED
            self.stop(USER)

    def wish(self, wish: CallWish) -> None:
        """The page wants something; a refusal comes by `call_warning`."""
        self._note(wish)

    def send_digits(self, digits: str, kind: str) -> str | None:
        """Send digits now, without asking the backend; None, or why they are not sent."""
        leg = self._ends.leg
        fault = _NOT_UP if leg is None or self._up_at is None else self._digits.send(digits, kind, leg)
        self._services.counts.digits += 0 if fault else len(digits)
        return fault

    def describe(self) -> CallDescription:
        """As hooks, REST and the page are shown it."""
        return self._report.describe()

    # -- life ----------------------------------------------------------------------------------------------------

    async def on_start(self) -> None:
        try:
            await self._begin()
        except CallRefused as refused:
            self._give_up(refused)

    async def handle(self, message: CallMessage) -> None:
        try:
            await self._take(message)
        except CallRefused as refused:
            self._give_up(refused)

    def withdraw(self, reason: StopReason) -> None:
        self._ends.close()

    def notify_stopped(self, reason: StopReason) -> None:
        self._report.end(CallStatus.FAILED if reason is CRASHED else CallStatus.FINISH, reason.info)

    def teardown(self, reason: StopReason) -> None:
        with ExitStack() as steps:  # each step runs, from the last to the first, even if another one fails
            steps.callback(self._owner.call_over, self.call_id)
            steps.callback(self._give_back)
            if self._phone is not None:
                steps.callback(self._phone.hang_up, self._refusal)

    def drop_references(self) -> None:
        self._digits.stop()

    def release_followers(self, reason: StopReason) -> Iterable[tuple[Follower, StopReason]]:
        return ()

    def end_log_fields(self) -> dict[str, object]:
        return {
            "id": self.call_id,
            "session": self.session_id,
            "incoming": self._request.incoming,
            "status": self._report.last,
            "sip_status": self._report.sip_status,
            "info": self._report.info,
            **self._ends.figures(),
        }

    # -- what the two kinds do differently -----------------------------------------------------------------------

    @abstractmethod
    async def _begin(self) -> None:
        """Ask the backend, and begin. Raises CallRefused."""

    async def _take_own(self, message: CallMessage) -> None:
        """What only one kind gets."""

    # -- what is told --------------------------------------------------------------------------------------------

    async def _take(self, message: CallMessage) -> None:
        match message:
            case OfferArrived() | OfferAccepted() | OfferRefused() | CallAcknowledged():
                self._take_exchange(message)
            case InfoAnswered():
                self._digits.answered()
            case TransferAsked() if self._phone is not None:
                self._phone.answer_transfer(_DECLINED)
            case Failed():
                raise CallRefused(message.info, "media")
            case PeerClosed():
                self.stop(USER)
            case HoldWish():
                await self._hold(held=message.held)
            case DigitsWish():
                await self._send_digits(message)
            case TimeUp():
                self._time_up(message)
            case _:
                await self._take_own(message)

    def _take_exchange(self, message: OfferArrived | OfferAccepted | OfferRefused | CallAcknowledged) -> None:
        match message:
            case OfferArrived():
                self._follow_offer(message.offer)
            case OfferAccepted():
                if message.description is not None:
                    self._ends.take_answer(message.description)
                self._hold_answered(accepted=True)
            case OfferRefused():
                self._report.warn(HookMethod.HOLD, f"{message.status} {message.reason}")
                self._hold_answered(accepted=False)
            case CallAcknowledged():
                if message.description is not None or self._ends.waits_for_answer:
                    self._ends.take_late_answer(message.description)

    def _time_up(self, message: TimeUp) -> None:
        if message.info is CallInfo.TOO_LONG or self._up_at is None:
            self._finish(CallStatus.FINISH, message.info)

    def sip_told(self, event: CallEvent) -> None:
        """An end does not wait for its turn."""
        if isinstance(event, CallEnded):
            self._report.sip_status = event.status
            status = status_of_end(event.status, was_up=event.was_up)
            self._finish(status, "" if event.status == 200 else f"{event.status} {event.reason}".strip())
        else:
            self._note(event)

    def _media_told(self, event: MediaEvent) -> None:
        if not isinstance(event, Connected):
            self._note(event)

    def _note(self, message: CallMessage) -> None:
        try:
            with suppress(ActorStopped):
                self.post(message)
        except MailboxFull:
            self._finish(CallStatus.FAILED, CallInfo.TOO_MANY_EVENTS)

    def _follow_offer(self, offer: bytes | None) -> None:
        """A new offer of the phone: what cannot be followed is refused, and the call goes on as it was."""
        phone = self._phone
        if phone is None:
            return
        try:
            answer = self._ends.take_offer(offer)
        except CallRefused as refused:
            log.info("the phone's offer was refused", id=self.call_id, info=refused.info, detail=refused.detail)
            phone.refuse_offer(refused.sip_status)
            return
        phone.accept_offer(answer)
        self._settle_hold()

    # -- what the page wants -------------------------------------------------------------------------------------

    async def _hold(self, *, held: bool) -> None:
        method = HookMethod.HOLD if held else HookMethod.UNHOLD
        if self._phone is None or not self._report.is_up:
            self._report.warn(method, _NOT_UP)
        elif await self._allowed(method) and held is not self._ends.wants_hold:
            self._offer_hold(held=held)

    async def _send_digits(self, wish: DigitsWish) -> None:
        fault = _NOT_UP if self._up_at is None else CallDigits.fault(wish.digits)
        if fault is None and await self._allowed(HookMethod.SEND_DTMF, dtmf=wish.digits, type=wish.kind):
            fault = self.send_digits(wish.digits, wish.kind)
        if fault is not None:
            self._report.warn(HookMethod.SEND_DTMF, fault)

    async def _allowed(self, method: HookMethod, **fields: Any) -> bool:
        """Ask the backend about something in the call; a refusal is told, and changes nothing."""
        verdict = await self._owner.lane.authorize(method, self._report.body(**fields))
        await self.go_on()
        if isinstance(verdict, Allow):
            return True
        self._report.warn(method, verdict.info)
        return False

    # -- shared steps --------------------------------------------------------------------------------------------

    def _send_info(self, content_type: str, body: bytes) -> None:
        if self._phone is not None:
            self._phone.send_info(content_type, body)

    def _hold_answered(self, *, accepted: bool) -> None:
        self._ends.hold_answered(accepted=accepted)
        self._settle_hold()
        if self._ends.wants_hold is not self._ends.is_held_by_page:
            self._offer_hold(held=self._ends.wants_hold)

    def _offer_hold(self, *, held: bool) -> None:
        offer = self._ends.hold(held=held)
        if self._phone is not None and offer is not None:
            self._phone.offer(offer)

    def _settle_hold(self) -> None:
        self._report.enter(CallStep.HELD if self._ends.is_held else CallStep.RESUMED)

    def _answered(self) -> None:
        self._up_at = trio.current_time()
        self._services.counts.up += 1
        self._services.limits.answered(self._ticket, self._up_at)
        self.nursery.start_soon(self._wait_for, self._services.settings.sip_max_call_duration, CallInfo.TOO_LONG)
        self._report.enter(CallStep.ANSWERED)

    async def _wait_for(self, seconds: float, info: CallInfo) -> None:
        await trio.sleep(seconds)
        self._note(TimeUp(info))

    def _give_up(self, refused: CallRefused) -> None:
        self._services.refused(refused, session=self.session_id, call=self.call_id)
        self._refusal = refused.sip_status
        self._finish(CallStatus.FAILED, refused.info)

    def _finish(self, status: CallStatus, info: str) -> None:
        """End it with this last status, if nothing else has ended it yet."""
        if self.reason is None:
            self._report.last, self._report.info = status, info
            self.stop(StopReason(cause=status.value.lower(), info=info))

    def _give_back(self) -> None:
        self._services.table.remove(self)
        now = trio.current_time()
        seconds = None if self._up_at is None else now - self._up_at
        self._services.limits.give_back(self._ticket, seconds or 0.0, now)
        self._services.counts.over((self._report.last or CallStatus.FAILED).value, seconds)
