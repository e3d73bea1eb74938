"""The picture of a push, where it has to become H264 first: it is decoded, and encoded by x264. That costs a lot."""

from typing import Final

import av
import av.error

from actors.workers.programs.codecs.h264_encoder import MAX_PIXELS, H264Encoder, PictureTooLarge, video_codec
from protocol.containers.frames import Frame, MalformedPayload
from protocol.containers.h264_units import from_annex_b

_DECODERS: Final = {"VP8": "vp8", "VP9": "vp9", "AV1": "libdav1d"}


class Transcoder:
    """See above. `bit_rate` in bit/s."""

    def __init__(self, codec: str, bit_rate: int) -> None:
        self.failures = 0
        """Frames that could not be decoded."""
        self._decoder = video_codec(_DECODERS[codec], "r")
        self._decoder.thread_count = 1
        self._encoder = H264Encoder(bit_rate)

    def convert(self, frame: Frame, time: float) -> list[Frame]:
        """What comes of a frame of the publication; a failed one needs a key frame. Raises PictureTooLarge."""
        if frame.width * frame.height > MAX_PIXELS:
            raise PictureTooLarge
        try:
            pictures = self._decoder.decode(av.Packet(frame.data))
            made = [from_annex_b(unit) for picture in pictures for unit in self._encoder.encode(picture, time)]
        except (av.error.FFmpegError, MalformedPayload):
            self.failures += 1
            return []
        return [each for each in made if each is not None]
