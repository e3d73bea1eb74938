"""What is agreed with the phone once a call is up: its new offers, and ours, by which the page holds the call."""

from actors.calls.call_report import CallReport
from actors.calls.media.both_ends import BothEnds
from actors.calls.sip.phone_line import PhoneLine
from actors.runtime.logs import get_logger
from protocol.calls.info_texts import CallRefused
from protocol.calls.life import CallStep
from protocol.hooks import HookMethod
from protocol.sip.events import CallAcknowledged, OfferAccepted, OfferArrived, OfferRefused

log = get_logger("calls")

ExchangeEvent = OfferArrived | OfferAccepted | OfferRefused | CallAcknowledged


class CallExchange:
    """See above. `phone` is the call at the SIP endpoint, once it is there. Raises CallRefused as `BothEnds` does."""

    def __init__(self, call_id: str, ends: BothEnds, report: CallReport) -> None:
        self.phone: PhoneLine | None = None
        self._call_id, self._ends, self._report = call_id, ends, report

    def take(self, event: ExchangeEvent) -> None:
        """The phone has offered, accepted, refused or acknowledged."""
        match event:
            case OfferArrived():
                self._follow(event.offer)
            case OfferAccepted():
                if event.description is not None:
                    self._ends.take_answer(event.description)
                self._settled(accepted=True)
            case OfferRefused():
                self._report.warn(HookMethod.HOLD, f"{event.status} {event.reason}")
                self._settled(accepted=False)
            case CallAcknowledged():
                if event.description is not None or self._ends.waits_for_answer:
                    self._ends.take_late_answer(event.description)

    def hold(self, *, held: bool) -> None:
        """The page holds the call, or goes on; nothing, if that is what it wants already."""
        if held is not self._ends.held.wanted:
            self._offer_hold(held=held)

    def is_with(self, line: str) -> bool:
        """Whether this line is that of the call's phone, not of one that was, or that is to be."""
        return self.phone is None or self.phone.id == line

    def settle(self) -> None:
        """Another phone has taken the place of the one that there was: what the page wanted last counts."""
        if not self._ends.held.is_settled:
            self._offer_hold(held=self._ends.held.wanted)

    def send_info(self, content_type: str, body: bytes) -> None:
        """INFO."""
        if self.phone is not None:
            self.phone.send_info(content_type, body)

    # -- inside --------------------------------------------------------------------------------------------------

    def _follow(self, offer: bytes | None) -> None:
        """A new offer of the phone: what cannot be followed is refused, and the call goes on as it was."""
        if self.phone is None:
            return
        try:
            answer = self._ends.take_offer(offer)
        except CallRefused as refused:
            log.info("the phone's offer was refused", id=self._call_id, info=refused.info, detail=refused.detail)
            self.phone.refuse_offer(refused.sip_status)
            return
        self.phone.accept_offer(answer)
        self._tell_hold()

    def _settled(self, *, accepted: bool) -> None:
        self._ends.hold_answered(accepted=accepted)
        self._tell_hold()
        self.settle()

    def _offer_hold(self, *, held: bool) -> None:
        offer = self._ends.hold(held=held)
        if self.phone is not None and offer is not None:
            self.phone.offer(offer)

    def _tell_hold(self) -> None:
        self._report.enter(CallStep.HELD if self._ends.held.is_on else CallStep.RESUMED)
