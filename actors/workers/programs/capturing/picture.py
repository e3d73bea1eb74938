"""The picture of a source that browsers cannot be sent as it is: decoded, put in the order in which it is shown, and
encoded as H264.

When that takes longer than the pictures last, some are left out: viewers see fewer pictures a second, and the present.
"""

import time
from collections.abc import Callable
from typing import Any, Final

import av
import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from actors.workers.programs.codecs.h264_encoder import MAX_PIXELS, H264Encoder

PROFILE: Final = "baseline"
"""What every browser decodes."""
UNTIMED_STEP: Final = 1 / 30
"""Seconds that a picture is taken to last of which nobody says when it is shown."""
MOST_UNTIMED: Final = 8
"""Pictures without a time that are held until one with a time comes."""
BEHIND: Final = 0.5
"""Seconds of work that may be left to do; beyond them, pictures are left out."""
LONGEST: Final = 1.0
LEAST_STEP: Final = 0.001
"""Seconds that a picture is shown, at most and at least, whatever the source says."""


class CaptureTranscoder:
    """See above. `decoder` is that of the source's stream; `bit_rate` in bit/s. It begins with a key frame."""

    def __init__(self, decoder: VideoCodecContext, bit_rate: int, clock: Callable[[], float] = time.monotonic) -> None:
        decoder.thread_count = 1
        self.failures = self.left_out = 0
        """Packets that could not be decoded; pictures for which there was no time."""
        self._decoder = decoder
        self._encoder = H264Encoder(bit_rate, PROFILE)
        self._clock = clock
        self._untimed: list[VideoFrame] = []
        self._has_begun = False
        self._shown = self._encoded = self._behind = 0.0

    @staticmethod
    def takes(width: int, height: int) -> bool:
        """Whether pictures of this size are not too large."""
        return width * height <= MAX_PIXELS

    def convert(self, packet: "av.Packet[Any]") -> list[tuple[bytes, float]]:
        """Access units in Annex B form, and when each is shown, in seconds of the source's clock.

        Raises PictureTooLarge.
        """
        if not (self._has_begun or packet.is_keyframe):
            return []
        self._has_begun = True
        began = self._clock()
        found: list[tuple[bytes, float]] = []
        try:
            for frame in self._decoder.decode(packet):
                for picture, shown_at in self._timed(frame, packet):
                    found += self._encode(picture, shown_at)
        except av.error.FFmpegError:
            self.failures += 1
        self._behind += self._clock() - began
        return found

    def _timed(self, frame: VideoFrame, packet: "av.Packet[Any]") -> list[tuple[VideoFrame, float]]:
        """The pictures whose time is known now. FFmpeg gives the first ones of an RTSP source none."""
        if frame.pts is None or packet.time_base is None:
            self._untimed = [*self._untimed[-MOST_UNTIMED + 1 :], frame]
            return []
        shown_at = float(frame.pts * packet.time_base)
        pictures, self._untimed = [*self._untimed, frame], []
        first = shown_at - (len(pictures) - 1) * UNTIMED_STEP
        return [(picture, first + number * UNTIMED_STEP) for number, picture in enumerate(pictures)]

    def _encode(self, picture: VideoFrame, shown_at: float) -> list[tuple[bytes, float]]:
        """x264 wants a time that grows; that of a source may jump."""
        step = min(max(shown_at - self._shown, LEAST_STEP), LONGEST)
        self._shown, self._encoded = shown_at, self._encoded + step
        self._behind = max(0.0, self._behind - step)
        if self._behind > BEHIND:
            self.left_out += 1
            return []
        return [(unit, shown_at) for unit in self._encoder.encode(picture, self._encoded)]
