"""The end of a call that has no page: it hears nothing, and says a silent packet each second.

Gateways end calls without media, and a phone behind a NAT is found only by what is sent.
"""

import math

from actors.media.call.leg import Sink, no_sink
from actors.media.call.leg_reader import LegReader
from actors.media.context import MediaContext
from protocol.calls.silence import SILENCE, SILENCE_INTERVAL
from protocol.stream.info_texts import StreamInfo
from protocol.webrtc.rtp import HEADER_SIZE, RtpHeader
from protocol.webrtc.sdp import Codec


class SilentPage:
    """See above. `codec` is what it says, until `close`."""

    def __init__(self, codec: Codec, reader: LegReader, context: MediaContext, *, session_id: str) -> None:
        self.sink: Sink = no_sink
        self.session_id = session_id
        self.deadline = context.clock() if codec.name in SILENCE else math.inf
        self._codec, self._reader = codec, reader
        self._ssrc, self._said = context.random_number(32), 0
        reader.schedule(self)

    def send(self, header: RtpHeader, body: bytes, codec: Codec, now: float) -> None:
        """Nobody listens."""

    def close(self) -> None:
        """End it. Idempotent."""
        self.deadline, self.sink = math.inf, no_sink
        self._reader.forget(self)

    # -- for the reader ------------------------------------------------------------------------------------------

    def on_time(self, now: float) -> None:
        """Say the next packet, unless it was closed in this very turn of the reader."""
        if self.deadline == math.inf:
            return
        self.deadline = now + SILENCE_INTERVAL
        timestamp = int(self._said * SILENCE_INTERVAL * self._codec.clock_rate) & 0xFFFF_FFFF
        number = self._said & 0xFFFF
        header = RtpHeader(self._codec.payload_type, False, number, timestamp, self._ssrc, HEADER_SIZE, 0, 0, 0, 0)
        self._said += 1
        self.sink(header, SILENCE[self._codec.name], now)

    def fail(self, info: StreamInfo) -> None:
        """Something of it is faulty: it falls silent."""
        self.close()
