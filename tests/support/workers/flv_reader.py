"""Reads what an RTMP server gives, or any other address that PyAV opens, and tells what was in it."""

from collections import Counter
from fractions import Fraction

import av
from attrs import define, field

TIMEOUT = 30.0
"""Seconds that a server may be silent."""


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
