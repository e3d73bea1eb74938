"""The media of one call, from its first description to its end: the two sides' SDP, and the ends that carry them out.

The page is answered once, with the first description of the phone, and is never negotiated with again. Whatever the
phone changes later is followed on its side, or refused if the page would have to change too.
"""

from collections.abc import Callable, Sequence

from attrs import evolve

from actors.calls.media.page_end import PageEnd
from actors.calls.media.phone_end import PhoneEnd, open_phone_end
from actors.media.call.bridge import Bridge, CallEnd
from actors.media.call.call_media import CallMedia
from actors.media.call.leg import RtpLeg
from actors.media.call.peer import CallPeer
from actors.media.context import MediaContext
from actors.media.events import Post, discard
from protocol.calls.codecs import CallCodecs, answer_page, answer_phone, next_phone_offer, page_offer, phone_offer
from protocol.calls.hold import CallHold
from protocol.calls.info_texts import CallInfo, CallRefused
from protocol.calls.phone_sdp import PhoneOffers, read_phone
from protocol.calls.protection import MediaProtection
from protocol.calls.remote_media import RemoteMedia
from protocol.sip.messages.media_description import PhoneDescription
from protocol.webrtc.sdp import Codec, Direction

_USUAL = (
    Codec(payload_type=8, name="PCMA", clock_rate=8_000),
    Codec(payload_type=0, name="PCMU", clock_rate=8_000),
    Codec(payload_type=9, name="G722", clock_rate=8_000),
    Codec(payload_type=101, name="TELEPHONE-EVENT", clock_rate=8_000, fmtp="0-15"),
)
"""What is offered to a phone that calls without an offer."""


class BothEnds:
    """See above. Everything that cannot be done raises CallRefused. `post` is told what happens to the media."""

    def __init__(self, media: CallMedia, context: MediaContext, *, session_id: str, post: Post) -> None:
        self._media, self._context, self._session_id, self._post = media, context, session_id, post
        self._page = PageEnd(media, session_id=session_id, post=post)
        self.codecs: CallCodecs | None = None
        self.held = CallHold()
        """Who holds the call."""
        self.bridge: Bridge | None = None
        """What joins the ends, once both are there."""
        self.joined: Callable[[Bridge, CallCodecs], None] = _nobody
        """Called then."""
        self._phone: PhoneEnd | None = None
        self._phone_offer: PhoneDescription | None = None
        self._offered: tuple[Codec, ...] = ()

    # -- a page calls --------------------------------------------------------------------------------------------

    def read_page(self, sdp: str) -> None:
        """The offer of the page that calls."""
        self._offered = phone_offer(self._page.read_offer(sdp), self._excluded)
        if not self._offered:
            raise CallRefused(CallInfo.NO_COMMON_CODECS, "of the page's codecs, none is for phones")

    def offer_phone(self, signalling: Sequence[str], protection: MediaProtection) -> PhoneOffers:
        """Open the phone's end; our offer, and the one for a phone that refuses it."""
        return self._open(signalling, protection).dialogue.first_offers(self._offered)

    def take_answer(self, body: bytes | None, *, is_page_away: bool = False) -> str | None:
        """The phone's answer, early or not. The page's when it is the first one, and the page is there, else None."""
        described = read_phone(body)
        phone = self._opened
        remote = phone.dialogue.remote(described)
        if self.codecs is not None:
            self._follow(remote)
            return None
        return self._meet(phone.leg, remote, is_page_away)

    def _meet(self, leg: RtpLeg, remote: RemoteMedia, is_page_away: bool) -> str | None:
        """Join the two ends, at the first answer of the phone; the page's answer."""
        page = answer_page(self._page.section, remote.codecs, self._excluded)
        codecs = CallCodecs(page=page, phone=remote.codecs)
        if not page or page[0].payload_type not in codecs.to_phone:
            raise CallRefused(CallInfo.NO_COMMON_CODECS, "the phone takes none of the page's codecs")
        if is_page_away:
            self._build(self._page.stand_in(page), leg, codecs, remote)
            return None
        peer = self._page.answer(page)
        self._build(peer, leg, codecs, remote)
        return peer.answer

    def greet_page(self) -> str | None:
        """The page is there again: what answers its offer, if it has not had that yet."""
        returned = self._page.come_back()
        if returned is not None and self.bridge is not None:
            self.bridge.put_page(returned)
        return None if self.peer is None or self.peer.is_connected else self.peer.answer or None

    # -- a phone calls -------------------------------------------------------------------------------------------

    def offer_to_page(self, body: bytes | None, signalling: Sequence[str], protection: MediaProtection) -> str:
        """The phone's offer, None if it has none; our offer to the page."""
        if body is not None:
            self._phone_offer = read_phone(body, prefer_secure=protection.srtp)
        phone = _USUAL if self._phone_offer is None else self._phone_offer.audio.codecs
        codecs = page_offer(phone, self._excluded)
        if not codecs:
            raise CallRefused(CallInfo.NO_COMMON_CODECS, "the phone's codecs need a transcoder")
        dialogue = self._open(signalling, protection).dialogue
        if self._phone_offer is not None:
            dialogue.remote(self._phone_offer)  # refuses now what could not be answered
        self._offered = tuple(phone)
        return self._page.make_offer(codecs)

    def answer_for_phone(self, sdp: str) -> bytes:
        """The page's answer; ours to the phone, or our offer, if the phone made none."""
        opened = self._opened
        answer, page = self._page.read_answer(sdp)
        phone = answer_phone(self._offered, page) if page else ()
        if not phone:
            raise CallRefused(CallInfo.NO_COMMON_CODECS, "the page takes none of the phone's codecs")
        peer, codecs = self._page.accept(answer, page), CallCodecs(page=page, phone=phone)
        offered = self._phone_offer
        if offered is None:
            self.codecs = codecs
            return opened.dialogue.offer(phone)
        self._build(peer, opened.leg, codecs, opened.dialogue.remote(offered))
        return opened.dialogue.answer(offered, phone, held=False)

    def take_late_answer(self, body: bytes | None) -> None:
        """The ACK of a phone that called without an offer, or asked for one later."""
        described = read_phone(body)
        phone = self._opened
        remote = phone.dialogue.remote(described)
        if self.bridge is None and self.peer is not None and self.codecs is not None:
            followed = self.codecs.follow(remote.codecs)
            if followed is None:
                raise CallRefused(CallInfo.NO_COMMON_CODECS)
            self._build(self.peer, phone.leg, followed, remote)
        else:
            self._follow(remote)

    # -- while it is up ------------------------------------------------------------------------------------------

    def hold(self, *, held: bool) -> bytes | None:
        """The page holds the call, or goes on; our offer, None while another one waits for its answer."""
        phone = self._opened
        if self.codecs is None:
            raise CallRefused(CallInfo.FAILED_BY_MEDIA, "there is no media yet")
        if not self.held.offers(held=held):
            return None
        phone.leg.hold(held=held)
        return phone.next().offer(self.codecs.phone, Direction.SENDONLY if held else Direction.SENDRECV)

    def hold_answered(self, *, accepted: bool) -> None:
        """The phone has taken our offer, or not: then all is as before."""
        if accepted:
            self.held.accepted()
        elif self.held.refused() and self.leg is not None:
            self.leg.hold(held=self.held.by_page)

    @property
    def waits_for_answer(self) -> bool:
        """The phone called without an offer, has been made one, and has not answered it yet."""
        return self.peer is not None and self.bridge is None

    def take_offer(self, body: bytes | None) -> bytes:
        """A new offer of the phone, None for its wish to get ours; our answer, or our offer."""
        opened = self._opened
        if self.codecs is None:
            raise CallRefused(CallInfo.FAILED_BY_MEDIA, "there is no media yet")
        dialogue = opened.next()
        if body is None:
            return dialogue.offer(self.codecs.phone)
        described = read_phone(body, prefer_secure=dialogue.protection.srtp)
        remote = dialogue.remote(described)
        phone = answer_phone(remote.codecs, self.codecs.page)
        self._follow(remote)
        return dialogue.answer(described, phone, held=self.held.by_page)

    # -- another phone -------------------------------------------------------------------------------------------

    def open_another(self, signalling: Sequence[str], protection: MediaProtection) -> PhoneEnd:
        """Open the end of a phone."""
        return open_phone_end(
            self._media, self._context, signalling, protection, session_id=self._session_id, post=self._post
        )

    def offer_another(self, phone: PhoneEnd) -> PhoneOffers:
        """What a phone is called with that is to take the place of the one that there is."""
        if self.codecs is None:
            raise CallRefused(CallInfo.FAILED_BY_MEDIA, "there is no media yet")
        return phone.dialogue.first_offers(next_phone_offer(self.codecs.page, self._excluded), held=self.held.wanted)

    def answer_another(self, phone: PhoneEnd, body: bytes | None) -> bytes:
        """The answer to the offer of a phone that comes in that place."""
        described = read_phone(body, prefer_secure=phone.dialogue.protection.srtp)
        self.replace_phone(phone, described, held=self.held.wanted)
        codecs = answer_phone(described.audio.codecs, self.codecs.page if self.codecs else ())
        return phone.dialogue.answer(described, codecs, held=self.held.wanted)

    def replace_phone(self, phone: PhoneEnd, described: PhoneDescription, *, held: bool) -> None:
        """It has answered so, and takes that place. `held`: it was offered to be held. Else all is as before."""
        remote = phone.dialogue.remote(described)
        codecs = None if self.codecs is None else self.codecs.follow(remote.codecs)
        if codecs is None or self.bridge is None or not self.bridge.suits_publication(codecs):
            raise CallRefused(CallInfo.NO_COMMON_CODECS, "the target does not take what the page sends")
        self.put_phone(phone)
        self.held.replaced(held=held)
        self.codecs = codecs
        self.bridge.change(codecs)
        phone.leg.hold(held=held)
        self._describe(phone.leg, codecs, remote)

    def put_phone(self, phone: PhoneEnd) -> None:
        """Its end takes the place of the one that there is, which is closed."""
        before, self._phone = self._phone, phone
        if self.bridge is not None and self.codecs is not None:
            self.bridge.put_phone(phone.leg, self.codecs)
        if before is not None and before is not phone:
            before.leg.close()

    @property
    def leg(self) -> RtpLeg | None:
        """The phone's end, once it is open."""
        return None if self._phone is None else self._phone.leg

    @property
    def peer(self) -> CallPeer | None:
        """The page's end, once it is there."""
        return self._page.peer

    def figures(self) -> dict[str, int]:
        """For the log: packets sent, as far as both ends are there, and what did not come of the phone's."""
        if self.leg is None:
            return {}
        phone = self.leg.statistics()
        sent = {} if self.peer is None else {"to_phone": phone.sent, "to_page": self.peer.statistics().sent}
        return {**sent, "lost": phone.lost_here, "stray": phone.stray}

    def close(self) -> None:
        """No packet from here on, and nobody is told of anything. Idempotent."""
        self._post, self.joined = discard, _nobody
        self._page.close()
        if self.leg is not None:
            self.leg.close()

    # -- inside --------------------------------------------------------------------------------------------------

    @property
    def _excluded(self) -> tuple[str, ...]:
        return self._context.settings.codecs_exclude_sip

    @property
    def _opened(self) -> PhoneEnd:
        if self._phone is None:
            raise CallRefused(CallInfo.FAILED_BY_MEDIA, "the phone's end is not open")
        return self._phone

    def _open(self, signalling: Sequence[str], protection: MediaProtection) -> PhoneEnd:
        self._phone = self.open_another(signalling, protection)
        return self._phone

    def _build(self, page: CallEnd, leg: RtpLeg, codecs: CallCodecs, remote: RemoteMedia) -> None:
        self.codecs, self.bridge = codecs, Bridge(page, leg, codecs)
        self._describe(leg, codecs, remote)
        self.joined(self.bridge, codecs)

    def _follow(self, remote: RemoteMedia) -> None:
        leg = self._opened.leg
        followed = None if self.codecs is None else self.codecs.follow(remote.codecs)
        if followed is None or self.bridge is None:
            raise CallRefused(CallInfo.NO_COMMON_CODECS, "the phone no longer takes what the page sends")
        self.codecs = followed
        self.bridge.change(followed)
        self._describe(leg, followed, remote)

    def _describe(self, leg: RtpLeg, codecs: CallCodecs, remote: RemoteMedia) -> None:
        self.held.described(holds=remote.holds)
        if self._phone is not None:
            self._phone.dialogue = evolve(self._phone.dialogue, is_secure=remote.keys is not None)
        voice = codecs.to_phone[codecs.page_sends.payload_type].codec
        leg.describe(remote, voice=voice, events=codecs.event_format)


def _nobody(bridge: Bridge, codecs: CallCodecs) -> None:
    """There is no stream of this call."""
