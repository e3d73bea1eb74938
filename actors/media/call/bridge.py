"""What joins the two ends of a call: each packet goes on in the format that the other side has for it."""

from typing import Protocol

from actors.media.call.leg import RtpLeg, Sink
from protocol.calls.codecs import CallCodecs, Conversion
from protocol.webrtc.rtp import RtpHeader
from protocol.webrtc.sdp import Codec


class CallEnd(Protocol):
    """One end."""

    sink: Sink

    def send(self, header: RtpHeader, body: bytes, codec: Codec, now: float) -> None: ...


class Bridge:
    """See above. `untranslated` counts packets in a format that the other side does not take."""

    def __init__(self, page: CallEnd, leg: RtpLeg, codecs: CallCodecs) -> None:
        self.untranslated = 0
        self._page, self._leg = page, leg
        self._to_phone: dict[int, Conversion] = {}
        self._to_page: dict[int, Conversion] = {}
        self.change(codecs)
        page.sink, leg.sink = self._from_page, self._from_phone

    def change(self, codecs: CallCodecs) -> None:
        """One side has changed its formats."""
        self._to_phone, self._to_page = codecs.to_phone, codecs.to_page

    def _from_page(self, header: RtpHeader, body: bytes, now: float) -> None:
        self._pass(self._leg, self._to_phone, header, body, now)

    def _from_phone(self, header: RtpHeader, body: bytes, now: float) -> None:
        self._pass(self._page, self._to_page, header, body, now)

    def _pass(
        self, to: CallEnd, conversions: dict[int, Conversion], header: RtpHeader, body: bytes, now: float
    ) -> None:
        conversion = conversions.get(header.payload_type)
        if conversion is None:
            self.untranslated += 1
            return
        table = conversion.table
        to.send(header, body if table is None else body.translate(table), conversion.codec, now)
