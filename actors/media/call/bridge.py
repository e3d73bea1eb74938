"""What joins the two ends of a call: each packet goes on in the format that the other side has for it.

The phone may be heard by a publication too, and may hear something else in the page's place.
"""

from collections.abc import Mapping
from typing import Protocol

from actors.media.call.leg import RtpLeg, Sink, no_sink
from actors.media.call.voice_ingest import VoiceIngest
from protocol.calls.codecs import CallCodecs, Conversion
from protocol.webrtc.rtp import RtpHeader
from protocol.webrtc.sdp import Codec

Conversions = Mapping[int, Conversion]


class VoiceSink(Protocol):
    """What takes voice."""

    def send(self, header: RtpHeader, body: bytes, codec: Codec, now: float) -> None: ...


class CallEnd(VoiceSink, Protocol):
    """One end."""

    sink: Sink


class Bridge:
    """See above. Packets in a format that the other side does not take go nowhere."""

    def __init__(self, page: CallEnd, leg: RtpLeg, codecs: CallCodecs) -> None:
        self._page, self._leg, self._codecs = page, leg, codecs
        self._to_phone: Conversions = {}
        self._to_page: Conversions = {}
        self._voice: VoiceIngest | None = None
        self._to_voice: Conversions = {}
        self._source: Codec | None = None
        self._from_source: Conversions = {}
        self.change(codecs)
        page.sink, leg.sink = self._from_page, self._from_phone

    def change(self, codecs: CallCodecs) -> None:
        """One side has changed its formats."""
        self._codecs = codecs
        self._to_phone, self._to_page = codecs.to_phone, codecs.to_page
        if self._voice is not None:
            self._to_voice = CallCodecs(page=(self._voice.codec,), phone=codecs.phone).to_page
        if self._source is not None:
            self._from_source = CallCodecs(page=(self._source,), phone=codecs.phone).to_phone

    def put_phone(self, leg: RtpLeg, codecs: CallCodecs) -> None:
        """Another phone in the place of the one that there was."""
        self._leg.sink = no_sink
        self._leg = leg
        leg.sink = self._from_phone
        self.change(codecs)

    def put_page(self, page: CallEnd) -> None:
        """Another end in the place of the page's."""
        self._page.sink = no_sink
        self._page = page
        page.sink = self._from_page

    def suits_publication(self, codecs: CallCodecs) -> bool:
        """Whether a phone of these formats could be heard by the publication, if there is one."""
        return self._voice is None or bool(CallCodecs(page=(self._voice.codec,), phone=codecs.phone).to_page)

    def publish(self, voice: VoiceIngest) -> None:
        """The phone is heard by this publication too, from now on."""
        self._voice = voice
        self.change(self._codecs)

    def takes(self, codec: Codec) -> bool:
        """Whether the phone could hear voice in this format."""
        return codec.payload_type in CallCodecs(page=(codec,), phone=self._codecs.phone).to_phone

    def replace_page(self, codec: Codec | None) -> None:
        """The phone hears what comes by `inject`, in this format, and not the page; None: the page again."""
        self._source = codec
        self._from_source = {}
        self.change(self._codecs)

    def inject(self, header: RtpHeader, body: bytes, now: float) -> None:
        """Voice in the page's place; `header.payload_type` is that of the format given to `replace_page`."""
        if self._source is not None:
            self._pass(self._leg, self._from_source, header, body, now)

    def _from_page(self, header: RtpHeader, body: bytes, now: float) -> None:
        if self._source is None:
            self._pass(self._leg, self._to_phone, header, body, now)

    def _from_phone(self, header: RtpHeader, body: bytes, now: float) -> None:
        self._pass(self._page, self._to_page, header, body, now)
        if self._voice is not None:
            self._pass(self._voice, self._to_voice, header, body, now)

    def _pass(self, to: VoiceSink, conversions: Conversions, header: RtpHeader, body: bytes, now: float) -> None:
        conversion = conversions.get(header.payload_type)
        if conversion is not None:
            table = conversion.table
            to.send(header, body if table is None else body.translate(table), conversion.codec, now)
