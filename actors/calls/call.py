"""A call: a page on one side, or nobody, and a phone on the other.

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

from actors.calls.all_calls.call_place import CallPlace
from actors.calls.all_calls.services import CallServices
from actors.calls.call_messages import (
    CallMessage,
    CallWish,
    DigitsWish,
    HoldWish,
    PageReturned,
    PartingOver,
    TimeUp,
    TransferWish,
)
from actors.calls.call_report import CallReport
from actors.calls.media.both_ends import BothEnds
from actors.calls.media.call_digits import CallDigits
from actors.calls.media.call_exchange import CallExchange
from actors.calls.media.call_injections import NOT_UP, CallInjections
from actors.calls.media.call_publishing import CallPublishing
from actors.calls.media.ends_without_page import EndsWithoutPage
from actors.calls.owner import CallOwner
from actors.calls.pages.call_wishes import CallWishes
from actors.calls.sip.dialer import Dialer
from actors.calls.sip.phone_line import PhoneLine
from actors.calls.transfers.call_referral import CallInsides, CallReferral
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
    TransferProgressed,
)

log = get_logger("calls")

USER = StopReason(cause="user")
SESSION_GONE = StopReason(cause="session-disconnect", info=CallInfo.STOPPED_BY_SESSION_DISCONNECT)
_DECLINED = 603
_UNAVAILABLE = 480


class PhoneCall(Actor[CallMessage]):
    """See above."""

    mailbox_size: ClassVar[int] = 64
    leads = True

    def __init__(
        self, request: CallRequest, owner: CallOwner, dialer: Dialer, ticket: CallTicket, services: CallServices
    ) -> None:
        super().__init__()
        self.call_id = request.call_id
        self.session_id = owner.context.session_id
        self._request, self._owner, self._dialer, self._services = request, owner, dialer, services
        self._place = CallPlace(ticket, services)
        kind = BothEnds if request.incoming or request.sdp is not None else EndsWithoutPage
        self._ends = kind(
            services.plane.calls, services.plane.context, session_id=self.session_id, post=self._media_told
        )
        self._publishing = CallPublishing(owner, services.streams, services.plane.context, self._stream_lost)
        self.injections = CallInjections(self._ends, services.plane.calls, session_id=self.session_id)
        """What the phone hears in the page's place."""
        self._report = CallReport(request, owner, services)
        self._exchange = CallExchange(self.call_id, self._ends, self._report)
        self._digits = CallDigits(self._exchange.send_info)
        self._wishes = CallWishes(self._exchange, self._report, self.send_digits)
        self._referral = CallReferral(
            CallInsides(
                owner=owner,
                dialer=dialer,
                services=services,
                place=self._place,
                ends=self._ends,
                report=self._report,
                exchange=self._exchange,
                digits=self._digits,
                transfers=self._wishes.transfers,
                visible_name="" if request.incoming else request.visible_name,
            )
        )
        self._refusal = _UNAVAILABLE

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
        fault = NOT_UP if leg is None or not self._place.is_answered else self._digits.send(digits, kind, leg)
        self._services.counts.digits += 0 if fault else len(digits)
        return fault

    @property
    def line(self) -> PhoneLine | None:
        """The call at the SIP endpoint, once it is there."""
        return self._exchange.phone

    def tell_again(self) -> None:
        """The page is another one: tell it of this call."""
        self._note(PageReturned())

    def describe(self) -> CallDescription:
        """As hooks, REST and the page are shown it."""
        return self._report.describe()

    @property
    def weight(self) -> int:
        """How many actors end with it, itself included."""
        return 1 + self._publishing.weight

    # -- life ----------------------------------------------------------------------------------------------------

    async def on_start(self) -> None:
        self.nursery.start_soon(self._place.claim_id, self)
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
        with ExitStack() as steps:
            steps.callback(self._ends.close)
            steps.callback(self._referral.close)
            steps.callback(self.injections.stop)

    def notify_stopped(self, reason: StopReason) -> None:
        self._report.end(CallStatus.FAILED if reason is CRASHED else CallStatus.FINISH, reason.info)

    def teardown(self, reason: StopReason) -> None:
        with ExitStack() as steps:  # each step runs, from the last to the first, even if another one fails
            steps.callback(self._owner.call_over, self.call_id)
            steps.callback(self._place.give_back, self, self._report.last)
            steps.callback(self._publishing.end)
            if self._exchange.phone is not None:
                steps.callback(self._exchange.phone.hang_up, self._refusal)
            steps.callback(self._referral.end)

    def drop_references(self) -> None:
        self._digits.stop()
        self._wishes.drop_references()
        self._publishing.drop_references()

    def release_followers(self, reason: StopReason) -> Iterable[tuple[Follower, StopReason]]:
        """Its stream, and why that ends: the caller stops this call, and then the stream."""
        return self._publishing.followers

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
        if await self._referral.serve(message, self):
            return
        match message:
            case OfferArrived() | OfferAccepted() | OfferRefused() | CallAcknowledged():
                self._exchange.take(message)
            case InfoAnswered():
                self._digits.answered()
            case Failed():
                raise CallRefused(message.info, "media")
            case PeerClosed():
                self.stop(USER)
            case HoldWish() | DigitsWish() | TransferWish():
                await self._wishes.take(message, self._allowed)
            case TransferProgressed() if self._wishes.transfers.take(message):
                self.finish(CallStatus.FINISH, CallInfo.TRANSFERRED)
            case TimeUp():
                self._time_up(message)
            case PageReturned():
                self._report.tell_again(self._ends.greet_page())
            case _:
                await self._take_own(message)

    def _time_up(self, message: TimeUp) -> None:
        if message.info is CallInfo.TOO_LONG or not self._place.is_answered:
            self.finish(CallStatus.FINISH, message.info)

    def sip_told(self, event: CallEvent) -> None:
        """An end does not wait for its turn."""
        if not isinstance(event, CallEnded) or not self._exchange.is_with(event.call):
            self._note(self._referral.noted(event))
        elif not self._referral.phone_left():
            self._report.sip_status = event.status
            status = status_of_end(event.status, was_up=event.was_up)
            self.finish(status, "" if event.status == 200 else f"{event.status} {event.reason}".strip())

    def part_later(self, seconds: float) -> None:
        """See `ReferredCall`."""
        self.nursery.start_soon(self._note_later, seconds, PartingOver())

    def _media_told(self, event: MediaEvent) -> None:
        if not isinstance(event, Connected):
            self._note(event)

    def _note(self, message: CallMessage) -> None:
        try:
            with suppress(ActorStopped):
                self.post(message)
        except MailboxFull:
            self.finish(CallStatus.FAILED, CallInfo.TOO_MANY_EVENTS)

    async def _allowed(self, method: HookMethod, **fields: Any) -> bool:
        """Ask the backend about something in the call; a refusal is told, and changes nothing."""
        verdict = await self._owner.lane.authorize(method, self._report.body(**fields))
        await self.go_on()
        if isinstance(verdict, Allow):
            return True
        self._report.warn(method, verdict.info)
        return False

    # -- shared steps --------------------------------------------------------------------------------------------

    def _answered(self) -> None:
        self._place.answered()
        self.nursery.start_soon(self._wait_for, self._services.settings.sip_max_call_duration, CallInfo.TOO_LONG)
        self._report.enter(CallStep.ANSWERED)

    async def _publish(self, wanted: str) -> None:
        """Have what the phone says published under this name, if there is one. Returns once it may be."""
        if not wanted:
            return
        self._ends.joined = self._publishing.join
        self._report.stream_name = wanted
        await self._publishing.begin(wanted)
        await self.go_on()
        self._report.stream_name = self._publishing.name or wanted

    def _stream_lost(self, info: str) -> None:
        self.finish(CallStatus.FINISH if self._place.is_answered else CallStatus.FAILED, info)

    async def _wait_for(self, seconds: float, info: CallInfo) -> None:
        await self._note_later(seconds, TimeUp(info))

    async def _note_later(self, seconds: float, message: CallMessage) -> None:
        await trio.sleep(seconds)
        self._note(message)

    def _give_up(self, refused: CallRefused) -> None:
        self._services.refused(refused, session=self.session_id, call=self.call_id)
        self._refusal = refused.sip_status
        self.finish(CallStatus.FAILED, refused.info)

    def finish(self, status: CallStatus, info: str) -> None:
        """End it with this last status, if nothing else has ended it yet."""
        if self.reason is None:
            self._report.last, self._report.info = status, info
            self.stop(StopReason(cause=status.value.lower(), info=info))
