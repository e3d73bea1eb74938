"""Reads what an RTMP server gives, or any other address that PyAV opens, and tells what was in it."""

import time
from collections import Counter
from fractions import Fraction
from pathlib import Path

import av
import av.error
from attrs import define, field

TIMEOUT = 30.0
"""Seconds that a server may be silent."""
PATIENCE = 60.0
"""Seconds for a file to grow."""


@define
class Heard:
    """What was read: decoded, so that it is known to be whole."""

    codecs: dict[str, str] = field(factory=dict)
    """Kind (`audio`, `video`) -> codec."""
    frames: Counter[str] = field(factory=Counter)
    """Decoded frames, by kind."""
    sizes: list[tuple[int, int]] = field(factory=list)
    """Each size that the picture had, in their order."""
    times: dict[str, list[float]] = field(factory=dict)
    """Seconds of each packet, by kind."""


def read_media(url: str, *, frames: int = 30, kinds: tuple[str, ...] = ("audio", "video")) -> Heard:
    """Play until so many frames of each kind are decoded. Blocks: call it in a thread. Raises av's errors."""
    heard = Heard()
    with av.open(url, timeout=(TIMEOUT, TIMEOUT)) as source:
        for packet in source.demux():
            kind = packet.stream.type
            heard.codecs[kind] = packet.stream.codec_context.name
            if packet.pts is not None:
                heard.times.setdefault(kind, []).append(float(packet.pts * (packet.time_base or Fraction(1))))
            for frame in packet.decode():
                heard.frames[kind] += 1
                if isinstance(frame, av.VideoFrame) and (frame.width, frame.height) not in heard.sizes[-1:]:
                    heard.sizes.append((frame.width, frame.height))
            if all(heard.frames[each] >= frames for each in kinds):
                break
    return heard


def until_written(file: Path, frames: int) -> Heard:
    """Wait until a file that is being written holds so many frames of each kind; what was read of it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            heard = read_media(str(file), frames=frames)
        except (OSError, av.error.FFmpegError):  # it is not there, or holds next to nothing
            heard = Heard()
        if heard.frames["video"] >= frames and heard.frames["audio"] >= frames:
            return heard
        assert time.monotonic() < deadline, heard
        time.sleep(0.05)
