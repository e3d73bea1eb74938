"""One track of a source, from FFmpeg's packets to RTP payloads."""

from collections.abc import Iterator
from typing import Any, Final, Protocol

import av

from actors.workers.programs.capturing.picture import MOST_UNTIMED, UNTIMED_STEP, CaptureTranscoder
from actors.workers.programs.codecs.h264_encoder import PictureTooLarge
from actors.workers.programs.codecs.resampling import Resampler
from protocol.containers.packetizers import G711_RATE, H264Packetizer, g711_parts, packetizer
from protocol.containers.reordering import ReorderWatch
from protocol.containers.rtp_tracks import RtpTrack
from protocol.taps import TrackFormat

Timed = tuple[list[bytes], float]
"""The payloads of an access unit, and when it is shown, in seconds of the source's clock."""

OPUS_RATE: Final = 48_000
OPUS_FRAME: Final = 960
"""Samples: 20 ms."""
OPUS_BITRATE: Final = 96_000
DRIFT: Final = 0.08
"""Seconds by which sound that is encoded anew may be off the source's clock before it is set right."""
_G711: Final = {"pcm_mulaw": "PCMU", "pcm_alaw": "PCMA"}
_COPIED_VIDEO: Final = {"h264": "H264", "vp8": "VP8"}
_H265: Final = ("hevc", "h265")
H265, B_FRAMES, TOO_LARGE = "h265", "b-frames", "too-large"
"""Why video cannot be passed on as it is, and why it cannot be encoded anew."""


class Unfit(Exception):
    """The source cannot be passed on to browsers; `why` is a word for the server."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class CapturedTrack(Protocol):
    """One track of a source."""

    form: TrackFormat
    rtp: RtpTrack
    facts: dict[str, Any]
    """What the log is told."""

    @property
    def figures(self) -> dict[str, int]: ...

    def take(self, packet: "av.Packet[Any]") -> Iterator[Timed]: ...


class CapturedVideo:
    """Video, as it is. What browsers cannot be sent becomes H264 of `bit_rate`, in bit/s; 0: it is Unfit."""

    def __init__(self, stream: "av.VideoStream", number: int, offset: int, bit_rate: int = 0) -> None:
        self._context = context = stream.codec_context
        self._bit_rate = bit_rate
        is_copied = context.name in _COPIED_VIDEO
        if not is_copied and context.name not in _H265:
            raise Unfit("video-codec")
        self.form = TrackFormat(_COPIED_VIDEO.get(context.name, "H264"), 90_000)
        self.rtp = RtpTrack(number, self.form, offset=offset)
        self._cut = packetizer(self.form.codec, (context.extradata or b"") if is_copied else b"")
        self._order = ReorderWatch()
        self._untimed: list[bytes] = []  # FFmpeg gives the first picture of an RTSP source no time
        self._transcoder: CaptureTranscoder | None = None
        self.facts = {"codec": self.form.codec, "size": f"{context.width}x{context.height}"}
        if not is_copied:
            self._transcode(H265)
        elif isinstance(self._cut, H264Packetizer):
            self.facts["profile"] = self._cut.profile
            if context.has_b_frames:
                self._transcode(B_FRAMES)

    @property
    def figures(self) -> dict[str, int]:
        """What has become of pictures that are encoded anew."""
        made = self._transcoder
        return {} if made is None else {"undecodable": made.failures, "left_out": made.left_out}

    def take(self, packet: "av.Packet[Any]") -> Iterator[Timed]:
        shown_at = _seconds(packet)
        if self._transcoder is None and shown_at is not None and self._order.sees(shown_at):
            self._transcode(B_FRAMES)
        if self._transcoder is not None:
            yield from self._encoded(self._transcoder, packet)
            return
        if shown_at is None:
            self._untimed = [*self._untimed[-MOST_UNTIMED + 1 :], bytes(packet)]
            return
        untimed, self._untimed = self._untimed, []
        for left, data in zip(range(len(untimed), 0, -1), untimed, strict=True):
            yield self._cut.payloads(data), shown_at - left * UNTIMED_STEP
        yield self._cut.payloads(bytes(packet)), shown_at

    def _transcode(self, why: str) -> None:
        """From the next key frame on. Raises Unfit."""
        if not self._bit_rate:
            raise Unfit(why)
        if not CaptureTranscoder.takes(self._context.width, self._context.height):
            raise Unfit(TOO_LARGE)
        self._transcoder = CaptureTranscoder(self._context, self._bit_rate)
        self._cut = packetizer("H264")
        self.facts["transcoded"] = why

    def _encoded(self, transcoder: CaptureTranscoder, packet: "av.Packet[Any]") -> Iterator[Timed]:
        try:
            for data, time in transcoder.convert(packet):
                yield self._cut.payloads(data), time
        except PictureTooLarge:
            raise Unfit(TOO_LARGE) from None


class CapturedSound:
    """Sound: Opus and G.711 as they are, anything else as Opus."""

    def __init__(self, stream: "av.AudioStream", number: int, offset: int) -> None:
        context = stream.codec_context
        self._encoder: OpusEncoder | None = None
        if context.name in ("opus", "libopus"):
            self.form = TrackFormat("OPUS", OPUS_RATE, 2)
        elif context.name in _G711 and (context.sample_rate, context.channels) == (G711_RATE, 1):
            self.form = TrackFormat(_G711[context.name], G711_RATE)
        else:
            self.form = TrackFormat("OPUS", OPUS_RATE, 2)
            self._encoder = OpusEncoder(context)
        self.rtp = RtpTrack(number, self.form, offset=offset)
        self._cut = packetizer(self.form.codec)
        self.facts = {"codec": self.form.codec, "source": context.name}

    @property
    def figures(self) -> dict[str, int]:
        """What has become of sound that is encoded anew."""
        return {} if self._encoder is None else {"undecodable_sound": self._encoder.failures}

    @staticmethod
    def can_be(stream: "av.AudioStream") -> bool:
        """Whether there is a codec for it, and its format is known."""
        try:
            return bool(stream.codec_context.sample_rate)
        except (AttributeError, av.FFmpegError):
            return False

    def take(self, packet: "av.Packet[Any]") -> Iterator[Timed]:
        shown_at = _seconds(packet)
        if shown_at is None:
            return
        for data, time in self._sound(packet, shown_at):
            yield self._cut.payloads(data), time

    def _sound(self, packet: "av.Packet[Any]", shown_at: float) -> list[tuple[bytes, float]]:
        """What of a packet goes into packets of its own, and when each is heard."""
        if self._encoder is not None:
            return self._encoder.encode(packet, shown_at)
        if self.form.codec == "OPUS":
            return [(bytes(packet), shown_at)]
        return [(part, shown_at + after) for part, after in g711_parts(bytes(packet))]


class OpusEncoder:
    """Decodes sound and encodes it as Opus. Its time is that of the samples, kept near the source's."""

    def __init__(self, decoder: "av.AudioCodecContext") -> None:
        decoder.thread_count = 1
        self.failures = 0
        """Packets that could not be decoded."""
        self._decoder = decoder
        self._resampler = Resampler("flt", OPUS_RATE, OPUS_FRAME)
        encoder = av.CodecContext.create("libopus", "w")
        if not isinstance(encoder, av.AudioCodecContext):
            raise Unfit("no-opus")
        encoder.sample_rate, encoder.layout, encoder.format = OPUS_RATE, "stereo", "flt"
        encoder.bit_rate, encoder.thread_count = OPUS_BITRATE, 1
        self._encoder = encoder
        self._base: float | None = None
        self._taken = self._given = 0.0

    def encode(self, packet: "av.Packet[Any]", shown_at: float) -> list[tuple[bytes, float]]:
        """The packets of Opus that are complete, and when each is heard."""
        if self._base is None or abs(shown_at - self._base - self._taken) > DRIFT:
            self._base = shown_at - self._taken
        found: list[tuple[bytes, float]] = []
        try:
            for frame in self._decoder.decode(packet):
                for data in self._convert(frame):
                    found.append((data, self._base + self._given))
                    self._given += OPUS_FRAME / OPUS_RATE
        except av.FFmpegError:
            self.failures += 1
        return found

    def _convert(self, frame: "av.AudioFrame") -> Iterator[bytes]:
        if not self._resampler.suits(frame):
            self._given = self._taken
        self._taken += frame.samples / frame.sample_rate
        for even in self._resampler.resample(frame):
            even.pts = None
            for encoded in self._encoder.encode(even):
                yield bytes(encoded)


def _seconds(packet: "av.Packet[Any]") -> float | None:
    """When a packet is shown; None if nobody says."""
    stamp = packet.pts if packet.pts is not None else packet.dts
    return None if stamp is None or packet.time_base is None else float(stamp * packet.time_base)
