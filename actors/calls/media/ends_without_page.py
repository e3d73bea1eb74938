"""The media of a call without a page: what the phone says is for a stream, and what it hears is injected."""

from collections.abc import Sequence
from typing import Final

from actors.calls.media.both_ends import BothEnds
from actors.media.call.leg import RtpLeg
from protocol.calls.codecs import TELEPHONE_EVENT, VOICE, CallCodecs
from protocol.calls.info_texts import CallInfo, CallRefused
from protocol.calls.phone_sdp import PhoneOffers
from protocol.calls.protection import MediaProtection
from protocol.calls.remote_media import RemoteMedia
from protocol.webrtc.sdp import Codec

_OFFERED: Final = (
    Codec(payload_type=0, name="PCMU", clock_rate=8_000),
    Codec(payload_type=8, name="PCMA", clock_rate=8_000),
    Codec(payload_type=111, name="OPUS", clock_rate=48_000, channels=2, fmtp="useinbandfec=1"),
    Codec(payload_type=101, name=TELEPHONE_EVENT, clock_rate=8_000, fmtp="0-15"),
    Codec(payload_type=110, name=TELEPHONE_EVENT, clock_rate=48_000, fmtp="0-15"),
)
"""G.711 first: every browser plays it, and sounds are made in it. Opus is what streams of pages have.

Not G722, in which nothing is recorded or pushed.
"""


class EndsWithoutPage(BothEnds):
    """See above. There is no SDP of a page."""

    def read_page(self, sdp: str) -> None:
        """What the phone is offered is ours alone."""

    def offer_phone(self, signalling: Sequence[str], protection: MediaProtection) -> PhoneOffers:
        voice = [codec for codec in _OFFERED if codec.name in VOICE and codec.name not in self._excluded]
        if not voice:
            raise CallRefused(CallInfo.NO_COMMON_CODECS, "codecs_exclude_sip leaves none")
        rates = {codec.clock_rate for codec in voice}
        events = [codec for codec in _OFFERED if codec.name == TELEPHONE_EVENT and codec.clock_rate in rates]
        self._offered = (*voice, *events)
        return super().offer_phone(signalling, protection)

    def _meet(self, leg: RtpLeg, remote: RemoteMedia, is_page_away: bool) -> str | None:
        voice = tuple(codec for codec in remote.codecs if codec.name in VOICE and codec.name not in self._excluded)
        if not voice:
            raise CallRefused(CallInfo.NO_COMMON_CODECS, "the phone takes none of the codecs offered")
        self._build(self._page.stand_in(voice), leg, CallCodecs(page=voice, phone=remote.codecs), remote)
        return None
