"""The picture of a push, where it has to become H264 first: it is decoded, and encoded by x264. That costs a lot."""

from fractions import Fraction
from typing import Final, Literal

import av
import av.error
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from protocol.containers.frames import Frame, MalformedPayload
from protocol.containers.h264_units import from_annex_b

TICKS: Final = 1000
KEY_FRAME_INTERVAL: Final = 2.0
"""Seconds; what the receivers of RTMP recommend."""
MAX_PIXELS: Final = 1920 * 1088
"""Of a picture that is transcoded; a larger one would take all of a core, and more memory than a worker has."""
_DECODERS: Final = {"VP8": "vp8", "VP9": "vp9", "AV1": "libdav1d"}
_OPTIONS: Final = {"preset": "veryfast", "tune": "zerolatency", "x264-params": "threads=1:lookahead-threads=1"}


class PictureTooLarge(Exception):
    """It has more than MAX_PIXELS."""


class Transcoder:
    """See above. `bit_rate` in bit/s."""

    def __init__(self, codec: str, bit_rate: int) -> None:
        self.failures = 0
        """Frames that could not be decoded."""
        self._decoder: VideoCodecContext = _video_codec(_DECODERS[codec], "r")
        self._decoder.thread_count = 1
        self._bit_rate = bit_rate
        self._encoder: VideoCodecContext | None = None
        self._key_at = 0.0

    def convert(self, frame: Frame, time: float) -> list[Frame]:
        """What comes of a frame of the publication; a failed one needs a key frame. Raises PictureTooLarge."""
        if frame.width * frame.height > MAX_PIXELS:
            raise PictureTooLarge
        try:
            pictures = self._decoder.decode(av.Packet(frame.data))
            return [made for picture in pictures for made in self._encode(picture, time)]
        except (av.error.FFmpegError, MalformedPayload):
            self.failures += 1
            return []

    def _encode(self, picture: VideoFrame, time: float) -> list[Frame]:
        if picture.width * picture.height > MAX_PIXELS:
            raise PictureTooLarge
        encoder = self._encoder
        if encoder is None or (encoder.width, encoder.height) != (picture.width & ~1, picture.height & ~1):
            encoder = self._encoder = self._open(picture.width & ~1, picture.height & ~1)
            self._key_at = time
        picture = picture.reformat(width=encoder.width, height=encoder.height, format="yuv420p", threads=1)
        picture.pts, picture.time_base = round(time * TICKS), Fraction(1, TICKS)
        is_due = time >= self._key_at
        picture.pict_type = av.video.frame.PictureType.I if is_due else av.video.frame.PictureType.NONE
        if is_due:
            self._key_at = time + KEY_FRAME_INTERVAL
        made = [from_annex_b(bytes(packet)) for packet in encoder.encode(picture)]
        return [each for each in made if each is not None]

    def _open(self, width: int, height: int) -> VideoCodecContext:
        encoder: VideoCodecContext = _video_codec("libx264", "w")
        encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
        encoder.time_base, encoder.framerate = Fraction(1, TICKS), Fraction(30)
        encoder.bit_rate, encoder.thread_count = self._bit_rate, 1
        encoder.options = _OPTIONS | {"maxrate": str(self._bit_rate), "bufsize": str(self._bit_rate), "g": "600"}
        return encoder


def _video_codec(name: str, mode: Literal["r", "w"]) -> VideoCodecContext:
    context = CodecContext.create(name, mode)
    if not isinstance(context, VideoCodecContext):
        raise TypeError(f"{name} is no codec of pictures")
    return context
