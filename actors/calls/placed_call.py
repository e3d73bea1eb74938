"""A call that a page makes, or REST for nobody."""

from actors.calls.all_calls.call_ids import IdClaim
from actors.calls.call import PhoneCall
from actors.calls.call_messages import CallMessage
from protocol.calls.description import stream_name_of
from protocol.calls.info_texts import CallInfo, CallRefused
from protocol.calls.life import CallStep
from protocol.calls.protection import media_protection
from protocol.hooks import Allow, HookMethod
from protocol.sip.events import CallAnswered, CallProgressed


class PlacedCall(PhoneCall):
    """See above."""

    async def _begin(self) -> None:
        request, dialer = self._request, self._dialer
        if request.has_video and not request.has_audio:
            raise CallRefused(CallInfo.ONLY_AUDIO)
        self._ends.read_page(request.sdp or "")
        verdict = await self._owner.lane.authorize(HookMethod.CALL, self._report.body())
        await self.go_on()
        if not isinstance(verdict, Allow):
            raise CallRefused(verdict.info, "the backend")
        renamed = verdict.body.get("callee")
        if isinstance(renamed, str) and renamed:
            self._report.callee = renamed
        callee = dialer.callee(self._report.callee)
        await self._publish(stream_name_of(verdict.body))
        self._report.enter(CallStep.INVITED)
        route = await dialer.route(callee)
        await self.go_on()
        protection = media_protection(self._services.settings.sip_sdes, route.transports)
        offers = self._ends.offer_phone(route.hosts, protection)
        self._exchange.phone = dialer.dial(
            callee, route, offers, visible_name=request.visible_name, listener=self.sip_told
        )

    def take_id(self, claim: IdClaim) -> None:
        """Its callId has been claimed already."""
        self._place.claim = claim

    async def _take_own(self, message: CallMessage) -> None:
        match message:
            case CallProgressed():
                self._report.sip_status = message.status
                self._progressed(message)
            case CallAnswered():
                self._report.sip_status = 200
                if message.description is not None or self._ends.codecs is None:
                    self._take_description(message.description)
                self._answered()

    def _progressed(self, message: CallProgressed) -> None:
        if message.description is not None:
            self._take_description(message.description)
            self._report.enter(CallStep.EARLY_MEDIA)
        elif message.status >= 180:
            self._report.enter(CallStep.RINGS)

    def _take_description(self, description: bytes | None) -> None:
        answer = self._ends.take_answer(description, is_page_away=self._owner.is_away)
        if answer is not None:
            self._owner.call_answered(self.call_id, answer)
