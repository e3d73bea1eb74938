"""The media of one call, from its first description to its end: the two sides' SDP, and the ends that carry them out.

The page is answered once, with the first description of the phone, and is never negotiated with again. Whatever the
phone changes later is followed on its side, or refused if the page would have to change too.
"""

from collections.abc import Callable, Sequence

from attrs import evolve

from actors.media.call.bridge import Bridge, CallEnd
from actors.media.call.call_media import CallMedia, PageOffer
from actors.media.call.leg import RtpLeg
from actors.media.call.peer import CallPeer
from actors.media.context import MediaContext
from actors.media.events import MediaRefused, Post, discard
from protocol.calls.codecs import CallCodecs, answer_page, answer_phone, page_offer, phone_offer
from protocol.calls.info_texts import CallInfo, CallRefused
from protocol.calls.phone_sdp import PhoneDialogue, PhoneOffers, read_phone
from protocol.calls.protection import SETTING, MediaProtection
from protocol.calls.remote_media import RemoteMedia
from protocol.sip.media_description import Origin, PhoneDescription
from protocol.webrtc.call_offer import call_section, read_call_answer
from protocol.webrtc.offer import parse_offer
from protocol.webrtc.sdp import Codec, Direction, MediaSection, NoCommonCodecs, Offer, SdpError

_USUAL = (
    Codec(payload_type=8, name="PCMA", clock_rate=8_000),
    Codec(payload_type=0, name="PCMU", clock_rate=8_000),
    Codec(payload_type=9, name="G722", clock_rate=8_000),
    Codec(payload_type=101, name="TELEPHONE-EVENT", clock_rate=8_000, fmtp="0-15"),
)
"""What is offered to a phone that calls without an offer."""


class CallEnds:
    """See above. Everything that cannot be done raises CallRefused. `post` is told what happens to the media."""

    def __init__(self, media: CallMedia, context: MediaContext, *, session_id: str, post: Post) -> None:
        self._media, self._context, self._session_id, self._post = media, context, session_id, post
        self.leg: RtpLeg | None = None
        self.peer: CallPeer | None = None
        self.codecs: CallCodecs | None = None
        self.is_held_by_phone = False
        self.is_held_by_page = self.wants_hold = self._is_offering = False
        self.bridge: Bridge | None = None
        """What joins the ends, once both are there."""
        self.joined: Callable[[Bridge, CallCodecs], None] = _nobody
        """Called then."""
        self._dialogue: PhoneDialogue | None = None
        self._page: tuple[Offer, MediaSection] | None = None
        self._page_offer: PageOffer | None = None
        self._phone_offer: PhoneDescription | None = None
        self._offered: tuple[Codec, ...] = ()

    # -- a page calls --------------------------------------------------------------------------------------------

    def read_page(self, sdp: str) -> None:
        """The offer of the page that calls."""
        try:
            offer = parse_offer(sdp)
            self._page = offer, call_section(offer)
        except NoCommonCodecs as error:
            raise CallRefused(CallInfo.NO_COMMON_CODECS, error.message) from None
        except SdpError as error:
            raise CallRefused(error.message) from None
        self._offered = phone_offer(self._page[1], self._excluded)
        if not self._offered:
            raise CallRefused(CallInfo.NO_COMMON_CODECS, "of the page's codecs, none is for phones")

    def offer_phone(self, signalling: Sequence[str], protection: MediaProtection) -> PhoneOffers:
        """Open the phone's end; our offer, and the one for a phone that refuses it."""
        return self._open(signalling, protection).first_offers(self._offered)

    def take_answer(self, body: bytes | None) -> str | None:
        """The phone's answer, early or not. The page's answer when it is the first one, else None."""
        described = read_phone(body)
        dialogue, leg = self._opened
        remote = dialogue.remote(described)
        if self.codecs is not None:
            self._follow(remote)
            return None
        return self._meet(leg, remote)

    def _meet(self, leg: RtpLeg, remote: RemoteMedia) -> str | None:
        """Join the two ends, at the first answer of the phone; the page's answer."""
        if self._page is None:
            raise CallRefused(CallInfo.FAILED_BY_MEDIA, "an answer to no offer")
        offer, section = self._page
        page = answer_page(section, remote.codecs, self._excluded)
        codecs = CallCodecs(page=page, phone=remote.codecs)
        if not page or page[0].payload_type not in codecs.to_phone:
            raise CallRefused(CallInfo.NO_COMMON_CODECS, "the phone takes none of the page's codecs")
        peer = self._media.answer_page(offer, section, page, session_id=self._session_id, post=self._post)
        self._join(peer, leg, codecs, remote)
        return peer.answer

    # -- a phone calls -------------------------------------------------------------------------------------------

    def offer_to_page(self, body: bytes | None, signalling: Sequence[str], protection: MediaProtection) -> str:
        """The phone's offer, None if it has none; our offer to the page."""
        if body is not None:
            self._phone_offer = read_phone(body, prefer_secure=protection.srtp)
        phone = _USUAL if self._phone_offer is None else self._phone_offer.audio.codecs
        codecs = page_offer(phone, self._excluded)
        if not codecs:
            raise CallRefused(CallInfo.NO_COMMON_CODECS, "the phone's codecs need a transcoder")
        dialogue = self._open(signalling, protection)
        if self._phone_offer is not None:
            dialogue.remote(self._phone_offer)  # refuses now what could not be answered
        self._offered = tuple(phone)
        self._page_offer = self._media.offer_page(codecs)
        return self._page_offer.sdp

    def answer_for_phone(self, sdp: str) -> bytes:
        """The page's answer; ours to the phone, or our offer, if the phone made none."""
        dialogue, leg = self._opened
        if self._page_offer is None:
            raise CallRefused(CallInfo.FAILED_BY_MEDIA, "an answer to no offer")
        try:
            answer = read_call_answer(sdp)
        except SdpError as error:
            raise CallRefused(error.message) from None
        known = {codec.name for codec in self._page_offer.codecs}
        section = call_section(answer)
        page = tuple(codec for codec in (*section.codecs, *section.companions) if codec.name in known)
        phone = answer_phone(self._offered, page) if page else ()
        if not phone:
            raise CallRefused(CallInfo.NO_COMMON_CODECS, "the page takes none of the phone's codecs")
        peer = self._media.accept_answer(self._page_offer, answer, page, session_id=self._session_id, post=self._post)
        codecs, offered = CallCodecs(page=page, phone=phone), self._phone_offer
        if offered is None:
            self.peer, self.codecs = peer, codecs
            return dialogue.offer(phone)
        self._join(peer, leg, codecs, dialogue.remote(offered))
        return dialogue.answer(offered, phone, held=False)

    def take_late_answer(self, body: bytes | None) -> None:
        """The ACK of a phone that called without an offer, or asked for one later."""
        described = read_phone(body)
        dialogue, leg = self._opened
        remote = dialogue.remote(described)
        if self.bridge is None and self.peer is not None and self.codecs is not None:
            followed = self.codecs.follow(remote.codecs)
            if followed is None:
                raise CallRefused(CallInfo.NO_COMMON_CODECS)
            self._join(self.peer, leg, followed, remote)
        else:
            self._follow(remote)

    # -- while it is up ------------------------------------------------------------------------------------------

    def hold(self, *, held: bool) -> bytes | None:
        """The page holds the call, or goes on; our offer, None while another one waits for its answer."""
        dialogue, leg = self._opened
        if self.codecs is None:
            raise CallRefused(CallInfo.FAILED_BY_MEDIA, "there is no media yet")
        self.wants_hold = held
        if self._is_offering:
            return None
        self._is_offering, self.is_held_by_page = True, held
        leg.hold(held=held)
        self._dialogue = dialogue = dialogue.next()
        return dialogue.offer(self.codecs.phone, Direction.SENDONLY if held else Direction.SENDRECV)

    def hold_answered(self, *, accepted: bool) -> None:
        """The phone has taken our offer, or not: then all is as before."""
        was_offering, self._is_offering = self._is_offering, False
        if was_offering and not accepted:
            self.wants_hold = self.is_held_by_page = not self.is_held_by_page
            if self.leg is not None:
                self.leg.hold(held=self.is_held_by_page)

    @property
    def waits_for_answer(self) -> bool:
        """The phone called without an offer, has been made one, and has not answered it yet."""
        return self.peer is not None and self.bridge is None

    def take_offer(self, body: bytes | None) -> bytes:
        """A new offer of the phone, None for its wish to get ours; our answer, or our offer."""
        dialogue, _ = self._opened
        if self.codecs is None:
            raise CallRefused(CallInfo.FAILED_BY_MEDIA, "there is no media yet")
        self._dialogue = dialogue = dialogue.next()
        if body is None:
            return dialogue.offer(self.codecs.phone)
        described = read_phone(body, prefer_secure=dialogue.protection.srtp)
        remote = dialogue.remote(described)
        phone = answer_phone(remote.codecs, self.codecs.page)
        self._follow(remote)
        return dialogue.answer(described, phone, held=self.is_held_by_page)

    @property
    def is_held(self) -> bool:
        return self.is_held_by_page or self.is_held_by_phone

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
        for end in (self.leg, self.peer):
            if end is not None:
                end.close()

    # -- inside --------------------------------------------------------------------------------------------------

    @property
    def _excluded(self) -> tuple[str, ...]:
        return self._context.settings.codecs_exclude_sip

    @property
    def _opened(self) -> tuple[PhoneDialogue, RtpLeg]:
        if self._dialogue is None or self.leg is None:
            raise CallRefused(CallInfo.FAILED_BY_MEDIA, "the phone's end is not open")
        return self._dialogue, self.leg

    def _open(self, signalling: Sequence[str], protection: MediaProtection) -> PhoneDialogue:
        context = self._context
        if not protection.srtp and not protection.plain:
            raise CallRefused(CallInfo.NO_SRTP, SETTING)
        try:
            self.leg = self._media.open_leg(session_id=self._session_id, post=self._post, signalling=signalling)
        except MediaRefused as refused:
            raise CallRefused(CallInfo.NO_PORT, refused.detail, sip_status=503) from None
        address = self.leg.address
        origin = Origin(session_id=context.random_number(32), version=1, address=address[0])
        self._dialogue = PhoneDialogue(
            address=address,
            origin=origin,
            secret=context.entropy(30),
            signalling=tuple(signalling),
            protection=protection,
        )
        return self._dialogue

    def _join(self, peer: CallPeer, leg: RtpLeg, codecs: CallCodecs, remote: RemoteMedia) -> None:
        self.peer = peer
        self._build(peer, leg, codecs, remote)

    def _build(self, page: CallEnd, leg: RtpLeg, codecs: CallCodecs, remote: RemoteMedia) -> None:
        self.codecs, self.bridge = codecs, Bridge(page, leg, codecs)
        self._describe(leg, codecs, remote)
        self.joined(self.bridge, codecs)

    def _follow(self, remote: RemoteMedia) -> None:
        _, leg = self._opened
        followed = None if self.codecs is None else self.codecs.follow(remote.codecs)
        if followed is None or self.bridge is None:
            raise CallRefused(CallInfo.NO_COMMON_CODECS, "the phone no longer takes what the page sends")
        self.codecs = followed
        self.bridge.change(followed)
        self._describe(leg, followed, remote)

    def _describe(self, leg: RtpLeg, codecs: CallCodecs, remote: RemoteMedia) -> None:
        self.is_held_by_phone = remote.holds and not self.is_held_by_page
        if self._dialogue is not None:
            self._dialogue = evolve(self._dialogue, is_secure=remote.keys is not None)
        voice = codecs.to_phone[codecs.page_sends.payload_type].codec
        leg.describe(remote, voice=voice, events=codecs.event_format)


def _nobody(bridge: Bridge, codecs: CallCodecs) -> None:
    """There is no stream of this call."""
