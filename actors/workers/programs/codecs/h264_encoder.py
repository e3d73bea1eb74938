"""Pictures encoded as H264 by x264, in one thread. That costs a lot: a large part of a core."""

from fractions import Fraction
from typing import Final, Literal

from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

TICKS: Final = 1000
KEY_FRAME_INTERVAL: Final = 2.0
"""Seconds; what the receivers of RTMP recommend, and new viewers of a capture need."""
MAX_PIXELS: Final = 1920 * 1088
"""Of a picture that is encoded; a larger one would take all of a core, and more memory than a worker has."""
_OPTIONS: Final = {"preset": "veryfast", "tune": "zerolatency", "x264-params": "threads=1:lookahead-threads=1"}


class PictureTooLarge(Exception):
    """It has more than MAX_PIXELS."""


class H264Encoder:
    """See above. `bit_rate` in bit/s, at most. `profile`: x264's name of one; empty: as it likes."""

    def __init__(self, bit_rate: int, profile: str = "") -> None:
        self._bit_rate = bit_rate
        self._profile = {"profile": profile} if profile else {}
        self._encoder: VideoCodecContext | None = None
        self._key_at = 0.0

    def encode(self, picture: VideoFrame, time: float) -> list[bytes]:
        """Access units in Annex B form. `time` in seconds; it must grow. Raises PictureTooLarge, FFmpegError."""
        if picture.width * picture.height > MAX_PIXELS:
            raise PictureTooLarge
        encoder = self._encoder
        if encoder is None or (encoder.width, encoder.height) != (picture.width & ~1, picture.height & ~1):
            encoder = self._encoder = self._open(picture.width & ~1, picture.height & ~1)
            self._key_at = time
        picture = picture.reformat(width=encoder.width, height=encoder.height, format="yuv420p", threads=1)
        picture.pts, picture.time_base = round(time * TICKS), Fraction(1, TICKS)
        is_due = time >= self._key_at
        picture.pict_type = PictureType.I if is_due else PictureType.NONE
        if is_due:
            self._key_at = time + KEY_FRAME_INTERVAL
        return [bytes(packet) for packet in encoder.encode(picture)]

    def _open(self, width: int, height: int) -> VideoCodecContext:
        encoder = video_codec("libx264", "w")
        encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
        encoder.time_base, encoder.framerate = Fraction(1, TICKS), Fraction(30)
        encoder.bit_rate, encoder.thread_count = self._bit_rate, 1
        limits = {"maxrate": str(self._bit_rate), "bufsize": str(self._bit_rate), "g": "600"}
        encoder.options = _OPTIONS | self._profile | limits
        return encoder


def video_codec(name: str, mode: Literal["r", "w"]) -> VideoCodecContext:
    """A codec of pictures, to decode (`r`) or to encode (`w`)."""
    context = CodecContext.create(name, mode)
    if not isinstance(context, VideoCodecContext):
        raise TypeError(f"{name} is no codec of pictures")
    return context
