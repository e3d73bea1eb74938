"""A page's end of a call: what it has offered or been offered, and its peer, once both sides have agreed."""

from collections.abc import Sequence

from actors.media.call.call_media import CallMedia, PageOffer
from actors.media.call.peer import CallPeer
from actors.media.call.silent_page import SilentPage
from actors.media.events import Post, discard
from protocol.calls.info_texts import CallInfo, CallRefused
from protocol.webrtc.call_offer import call_section, read_call_answer
from protocol.webrtc.offer import parse_offer
from protocol.webrtc.sdp import Codec, MediaSection, NoCommonCodecs, Offer, SdpError


class PageEnd:
    """See above. Everything that cannot be done raises CallRefused. `post` is told what happens to the media."""

    def __init__(self, media: CallMedia, *, session_id: str, post: Post) -> None:
        self.peer: CallPeer | None = None
        self._media, self._session_id, self._post = media, session_id, post
        self._offer: tuple[Offer, MediaSection] | None = None
        self._offered: PageOffer | None = None
        self._absent: tuple[SilentPage, Sequence[Codec]] | None = None

    # -- a page calls --------------------------------------------------------------------------------------------

    def read_offer(self, sdp: str) -> MediaSection:
        """The audio that the page offers."""
        try:
            offer = parse_offer(sdp)
            section = call_section(offer)
        except NoCommonCodecs as error:
            raise CallRefused(CallInfo.NO_COMMON_CODECS, error.message) from None
        except SdpError as error:
            raise CallRefused(error.message) from None
        self._offer = offer, section
        return section

    @property
    def section(self) -> MediaSection:
        """The same, later."""
        return self._read[1]

    def answer(self, codecs: Sequence[Codec]) -> CallPeer:
        """The peer of a page that is answered with these codecs; its `answer` is for the page."""
        offer, section = self._read
        peer = self._media.answer_page(offer, section, codecs, session_id=self._session_id, post=self._post)
        self.peer = peer
        return peer

    def stand_in(self, codecs: Sequence[Codec]) -> SilentPage:
        """The end of a page that is away, or that there is none of; these would be its codecs."""
        silent = self._media.silent_page(codecs[0], session_id=self._session_id)
        self._absent = silent, codecs
        return silent

    def come_back(self) -> CallPeer | None:
        """The peer of a page that is there again and has not been answered yet, in the place of the stand-in."""
        if self._absent is None:
            return None
        (silent, codecs), self._absent = self._absent, None
        silent.close()
        return self.answer(codecs)

    @property
    def _read(self) -> tuple[Offer, MediaSection]:
        if self._offer is None:
            raise CallRefused(CallInfo.FAILED_BY_MEDIA, "an answer to no offer")
        return self._offer

    # -- a page is called ----------------------------------------------------------------------------------------

    def make_offer(self, codecs: Sequence[Codec]) -> str:
        """Our offer to the page."""
        self._offered = self._media.offer_page(codecs)
        return self._offered.sdp

    def read_answer(self, sdp: str) -> tuple[Offer, tuple[Codec, ...]]:
        """The page's answer, and what it takes of what it was offered."""
        if self._offered is None:
            raise CallRefused(CallInfo.FAILED_BY_MEDIA, "an answer to no offer")
        try:
            answer = read_call_answer(sdp)
        except SdpError as error:
            raise CallRefused(error.message) from None
        known = {codec.name for codec in self._offered.codecs}
        section = call_section(answer)
        return answer, tuple(codec for codec in (*section.codecs, *section.companions) if codec.name in known)

    def accept(self, answer: Offer, codecs: Sequence[Codec]) -> CallPeer:
        """The peer of a page that has answered with these codecs."""
        if self._offered is None:
            raise CallRefused(CallInfo.FAILED_BY_MEDIA, "an answer to no offer")
        peer = self._media.accept_answer(self._offered, answer, codecs, session_id=self._session_id, post=self._post)
        self.peer = peer
        return peer

    def close(self) -> None:
        """No packet from here on, and nobody is told of anything. Idempotent."""
        self._post = discard
        if self.peer is not None:
            self.peer.close()
        if self._absent is not None:
            self._absent[0].close()
