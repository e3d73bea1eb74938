"""The sound of a push: whatever a publication's is becomes AAC, as RTMP's receivers want it.

Silence, or the sound of a file, can take the place of what is published. Missing packets become silence, so that sound
and picture stay together.
"""

import io
from collections.abc import Iterator
from fractions import Fraction
from typing import Final, Literal, NamedTuple

import av
import av.error
import av.subtitles.stream  # else it would be imported late, when no file can be read any more
from av.audio.codeccontext import AudioCodecContext
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.codec.context import CodecContext

from actors.workers.programs.codecs.resampling import Resampler
from protocol.taps import TrackFormat

RATE: Final = 48_000
BIT_RATE: Final = 128_000
LAYOUT: Final = "stereo"
FORMAT: Final = "fltp"
MOST_APART: Final = RATE // 10
"""Samples by which sound may be early or late, before it is put right."""
MOST_SILENCE: Final = 10 * RATE
_DECODERS: Final = {"OPUS": "opus", "PCMU": "pcm_mulaw", "PCMA": "pcm_alaw"}


class AacFrame(NamedTuple):
    """`time` in seconds since the push began."""

    time: float
    data: bytes


class SoundFile:
    """A file that is played in the place of the published sound. Raises av's errors for what is none."""

    def __init__(self, data: bytes, *, loops: bool) -> None:
        self._container = av.open(io.BytesIO(data), "r")
        self._loops = loops
        self._resampler = Resampler(FORMAT, RATE)
        self._fifo = AudioFifo()
        self._frames = self._decode()

    def take(self, samples: int) -> AudioFrame | None:
        """So many samples; None at the end."""
        while self._fifo.samples < samples:
            frame = next(self._frames, None)
            if frame is None:
                break
            for each in self._resampler.resample(frame):
                _append(self._fifo, each)
        taken = self._fifo.read(samples, partial=True)
        if taken is None:
            return None
        return taken if taken.samples == samples else _joined(taken, silence(samples - taken.samples), samples)

    def _decode(self) -> Iterator[AudioFrame]:
        while True:
            heard = False
            for frame in self._container.decode(audio=0):
                heard = True
                yield frame
            if not self._loops or not heard:
                return
            self._container.seek(0)


class SoundEncoder:
    """See above."""

    def __init__(self, track: TrackFormat) -> None:
        self.is_muted = False
        self.file: SoundFile | None = None
        self.failures = 0
        """Packets that could not be decoded."""
        self._decoder: AudioCodecContext = _audio_codec(_DECODERS[track.codec], "r")
        self._decoder.sample_rate = track.clock_rate
        self._decoder.layout = LAYOUT if track.channels == 2 else "mono"
        self._resampler = Resampler(FORMAT, RATE)
        self._fifo = AudioFifo()
        self._encoder = _encoder()
        self._due = -1
        """The sample that comes next, counted from the beginning of the push."""
        self._encoded = 0

    @property
    def config(self) -> bytes:
        """The AudioSpecificConfig."""
        return bytes(self._encoder.extradata or b"")

    def encode(self, data: bytes, time: float) -> list[AacFrame]:
        """A packet of the publication."""
        try:
            decoded = self._decoder.decode(av.Packet(data))
        except av.error.FFmpegError:
            self.failures += 1
            return []
        for frame in decoded:
            for each in self._resampler.resample(frame):
                self._place(each, round(time * RATE))
        return list(self._encode())

    def _place(self, frame: AudioFrame, at: int) -> None:
        if self._due < 0:
            self._due = self._encoded = at
        apart = at - self._due
        if apart < -MOST_APART:
            return  # it was replaced by silence already, or the clocks differ
        if apart > MOST_APART:
            missing = min(apart, MOST_SILENCE)
            _append(self._fifo, silence(missing))
            self._due = at
            self._encoded += apart - missing
        self._due += frame.samples
        _append(self._fifo, self._heard(frame))

    def _heard(self, frame: AudioFrame) -> AudioFrame:
        if self.file is not None:
            try:
                played = self.file.take(frame.samples)
            except av.error.FFmpegError:  # it is damaged from here on
                played = None
            if played is not None:
                return played
            self.file = None
        return silence(frame.samples) if self.is_muted else frame

    def _encode(self) -> Iterator[AacFrame]:
        size = self._encoder.frame_size
        while self._fifo.samples >= size:
            frame = self._fifo.read(size)
            if frame is None:
                return
            frame.pts, frame.time_base, frame.sample_rate = self._encoded, Fraction(1, RATE), RATE
            self._encoded += size
            for packet in self._encoder.encode(frame):
                yield AacFrame(max(0.0, (packet.pts or 0) / RATE), bytes(packet))


def silence(samples: int) -> AudioFrame:
    """So many samples of it."""
    frame = AudioFrame(FORMAT, LAYOUT, samples)
    frame.sample_rate = RATE
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    return frame


def _append(fifo: AudioFifo, frame: AudioFrame) -> None:
    frame.pts, frame.time_base = None, Fraction(1, RATE)  # else it wants them to follow each other, and alike
    fifo.write(frame)


def _joined(first: AudioFrame, second: AudioFrame, samples: int) -> AudioFrame:
    fifo = AudioFifo()
    _append(fifo, first)
    _append(fifo, second)
    return fifo.read(samples) or silence(samples)


def _encoder() -> AudioCodecContext:
    encoder: AudioCodecContext = _audio_codec("aac", "w")
    encoder.sample_rate, encoder.format, encoder.layout = RATE, FORMAT, LAYOUT
    encoder.bit_rate, encoder.time_base = BIT_RATE, Fraction(1, RATE)
    encoder.options = {"aac_coder": "fast"}  # a sixth of the time, and as good at this bit rate, says FFmpeg
    encoder.open()
    return encoder


def _audio_codec(name: str, mode: Literal["r", "w"]) -> AudioCodecContext:
    context = CodecContext.create(name, mode)
    if not isinstance(context, AudioCodecContext):
        raise TypeError(f"{name} is no codec of sound")
    return context
