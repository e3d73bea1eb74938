"""A call that comes for a page: the backend is asked, then the page rings, until it answers or nobody does."""

from collections.abc import Sequence
from typing import Final

from attrs import field, frozen

from actors.calls.all_calls.services import CallServices
from actors.calls.call import PhoneCall
from actors.calls.call_messages import AnswerWish, CallMessage, CallWish
from actors.calls.owner import CallOwner
from actors.calls.sip.dialer import Dialer
from actors.calls.sip.phone_line import PhoneLine
from protocol.calls.description import stream_name_of
from protocol.calls.fraud_limits import CallTicket
from protocol.calls.info_texts import CallInfo, CallRefused
from protocol.calls.life import CallState
from protocol.calls.protection import media_protection
from protocol.calls.request import CallRequest
from protocol.hooks import Allow, HookMethod

RING_TIMEOUT: Final = 60.0
"""Seconds for which a page may ring."""
_DENIED: Final = 603


@frozen(kw_only=True)
class CallArrival:
    """How the call has come. `offer` is the phone's, if it made one; `signalling` where its SIP comes from, and how."""

    phone: PhoneLine
    offer: bytes | None = field(repr=False)
    signalling: Sequence[str]
    transport: str


class ReceivedCall(PhoneCall):
    """See above."""

    def __init__(
        self,
        arrival: CallArrival,
        request: CallRequest,
        owner: CallOwner,
        dialer: Dialer,
        ticket: CallTicket,
        services: CallServices,
    ) -> None:
        super().__init__(request, owner, dialer, ticket, services)
        self._arrival = arrival
        self._has_answer = False
        self._exchange.phone = arrival.phone

    def wish(self, wish: CallWish) -> None:
        """One answer is enough."""
        if isinstance(wish, AnswerWish):
            if self._has_answer:
                return
            self._has_answer = True
        super().wish(wish)

    async def _begin(self) -> None:
        arrival = self._arrival
        verdict = await self._owner.lane.authorize(HookMethod.ON_CALL_EVENT, self._report.body())
        await self.go_on()
        if not isinstance(verdict, Allow):
            self._report.warn(HookMethod.ON_CALL_EVENT, verdict.info)
            raise CallRefused(verdict.info, "the backend", sip_status=_DENIED)
        await self._publish(stream_name_of(verdict.body))
        protection = media_protection(self._services.settings.sip_sdes, [arrival.transport])
        sdp = self._ends.offer_to_page(arrival.offer, arrival.signalling, protection)
        self._report.ring_page(sdp)
        arrival.phone.ring()
        self.nursery.start_soon(self._wait_for, RING_TIMEOUT, CallInfo.NOT_ANSWERED)

    async def _take_own(self, message: CallMessage) -> None:
        if isinstance(message, AnswerWish) and self._report.state is CallState.RINGING:
            if not await self._allowed(HookMethod.ANSWER):
                self._has_answer = False
                return
            description = self._ends.answer_for_phone(message.sdp)
            self._report.sip_status = 200
            self._arrival.phone.answer(description)
            self._answered()
