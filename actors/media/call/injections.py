"""What a phone hears in its page's place: another stream, or a sound of a file."""

import math
from collections.abc import Callable
from typing import Final

from actors.media.call.bridge import Bridge
from actors.media.call.leg_reader import LegReader
from actors.media.context import MediaContext
from actors.media.tracks.packet_sink import PacketSink
from actors.media.tracks.published_track import PublishedTrack
from protocol.calls.sound import Sound
from protocol.sfu.incoming_track import MediaPacket
from protocol.stream.info_texts import StreamInfo
from protocol.webrtc.rtcp import SenderReport
from protocol.webrtc.rtp import HEADER_SIZE, RtpError, RtpHeader, parse_header, payload
from protocol.webrtc.sdp import Codec

FRAME_SECONDS: Final = 0.02
_LAWS: Final = (
    Codec(payload_type=0, name="PCMU", clock_rate=8_000),
    Codec(payload_type=8, name="PCMA", clock_rate=8_000),
)
_LATE: Final = 0.2  # seconds, after which a sound goes on from now rather than make up for what was missed


class StreamInjection(PacketSink):
    """The voice of a published track. `on_end` is called when the track ends, not after `stop`."""

    def __init__(self, track: PublishedTrack, bridge: Bridge, on_end: Callable[[], None]) -> None:
        self._track, self._bridge, self._on_end = track, bridge, on_end
        bridge.replace_page(track.source.codec)
        self._payload_type = track.source.codec.payload_type
        track.attach(self)

    def stop(self) -> None:
        """The page is heard again. Idempotent."""
        self._on_end = _nobody
        self._track.detach(self)
        self._bridge.replace_page(None)

    def take(self, packet: MediaPacket, now: float) -> None:
        try:
            header = parse_header(packet.data)
        except RtpError:  # it was made here
            return
        self._bridge.inject(header._replace(payload_type=self._payload_type), payload(packet.data, header), now)

    def take_report(self, report: SenderReport, now: float) -> None:
        """The phone gets reports of its own."""

    def end(self) -> None:
        on_end = self._on_end
        self.stop()
        on_end()


def takes_sounds(bridge: Bridge) -> bool:
    """Whether the phone takes G.711."""
    return any(map(bridge.takes, _LAWS))


class SoundInjection:
    """A sound, 20 ms of it at a time, in a law of G.711; the reader of phones' ends wakes it.

    The phone must take G.711; see `takes_sounds`. `on_end` is called after the last frame, not after `stop`.
    """

    def __init__(
        self,
        sound: Sound,
        bridge: Bridge,
        reader: LegReader,
        context: MediaContext,
        on_end: Callable[[], None],
        *,
        session_id: str,
    ) -> None:
        self.session_id = session_id
        self.deadline = context.clock()
        codec = next(each for each in _LAWS if bridge.takes(each))
        self._frames, self._bridge, self._reader, self._on_end = sound.frames(codec.name), bridge, reader, on_end
        self._payload_type = codec.payload_type
        self._ssrc, self._sent = context.random_number(32), 0
        bridge.replace_page(codec)
        reader.schedule(self)

    def stop(self) -> None:
        """The page is heard again. Idempotent."""
        self._on_end = _nobody
        self.deadline = math.inf
        self._reader.forget(self)
        self._bridge.replace_page(None)

    # -- for the reader ------------------------------------------------------------------------------------------

    def on_time(self, now: float) -> None:
        """Send what is due."""
        if now - self.deadline > _LATE:
            self.deadline = now
        while self.deadline <= now:
            frame = next(self._frames, None)
            if frame is None:
                on_end = self._on_end
                self.stop()
                on_end()
                return
            self._bridge.inject(self._header(), frame, now)
            self._sent += 1
            self.deadline += FRAME_SECONDS

    def fail(self, info: StreamInfo) -> None:
        """Something of it is faulty: the page is heard again."""
        on_end = self._on_end
        self.stop()
        on_end()

    def _header(self) -> RtpHeader:
        sent = self._sent
        timestamp = sent * 160 & 0xFFFF_FFFF
        return RtpHeader(self._payload_type, not sent, sent & 0xFFFF, timestamp, self._ssrc, HEADER_SIZE, 0, 0, 0, 0)


def _nobody() -> None:
    """Who was told already, or ended it."""
