"""Sounds for phones: WAV files of PCM, or of a law of G.711, as 20 ms of voice at 8000 Hz at a time.

What has more samples a second is averaged, which is enough for speech and tones; what has several channels too.
"""

import sys
from array import array
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from struct import Struct
from typing import Final

from attrs import field, frozen

from protocol.calls.g711 import ALAW_TO_ULAW, ULAW_TO_ALAW, encoded

RATE: Final = 8_000
FRAME: Final = 160
"""Samples, and octets, of 20 ms."""
MAX_RATE: Final = 48_000
MAX_CHANNELS: Final = 2

_CHUNK: Final = Struct("<4sI")
_FORMAT: Final = Struct("<HHIIHH")
_PCM, _ALAW, _ULAW, _EXTENSIBLE = 1, 6, 7, 0xFFFE
_LAWS: Final = {_ALAW: "PCMA", _ULAW: "PCMU"}
_TABLES: Final = {("PCMU", "PCMA"): ULAW_TO_ALAW, ("PCMA", "PCMU"): ALAW_TO_ULAW}
_SILENCE: Final = {"PCMU": b"\xff", "PCMA": b"\xd5"}


class BadSound(ValueError):
    """It cannot be played; the text says why."""


@frozen(kw_only=True, eq=False)
class Sound:
    """A sound that has been read. `law` is PCMU or PCMA, and `samples` are octets; empty: 16-bit PCM."""

    rate: int
    channels: int
    law: str
    samples: "array[int]" = field(repr=False)

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / (self.rate * self.channels)

    def frames(self, law: str) -> Iterator[bytes]:
        """It as packets of one law, of 20 ms each; the last one ends in silence."""
        source = self._law_frames(law) if self.law else self._pcm_frames(law)
        return (frame.ljust(FRAME, _SILENCE[law]) for frame in source)

    def _law_frames(self, law: str) -> Iterator[bytes]:
        table = _TABLES.get((self.law, law))
        for start in range(0, len(self.samples), FRAME):
            frame = self.samples[start : start + FRAME].tobytes()
            yield frame if table is None else frame.translate(table)

    def _pcm_frames(self, law: str) -> Iterator[bytes]:
        table, channels = _encoding_table(law), self.channels
        samples = self.samples
        last = len(samples) // channels
        if (self.rate, channels) == (RATE, 1):
            for first in range(0, last, FRAME):
                yield bytes(table[sample >> 2 & 0x3FFF] for sample in samples[first : first + FRAME])
            return
        for first in range(0, last * RATE // self.rate, FRAME):
            edges = [(first + index) * self.rate // RATE for index in range(FRAME + 1)]
            spans = pairwise(edges)
            means = (_mean(samples[begin * channels : min(end, last) * channels]) for begin, end in spans)
            yield bytes(table[mean >> 2 & 0x3FFF] for mean in means if mean is not None)


def read_sound(data: bytes) -> Sound:
    """A WAV file. Raises BadSound."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise BadSound("it is no WAV file")
    found: dict[bytes, bytes] = {}
    at = 12
    while at + _CHUNK.size <= len(data) and len(found) < 2:
        name, size = _CHUNK.unpack_from(data, at)
        at += _CHUNK.size
        if name in (b"fmt ", b"data"):
            found.setdefault(name, data[at : at + size])
        at += size + size % 2
    if len(found.get(b"fmt ", b"")) < _FORMAT.size or b"data" not in found:
        raise BadSound("the WAV file lacks its format or its samples")
    return _sound(found[b"fmt "], found[b"data"])


def _sound(described: bytes, data: bytes) -> Sound:
    kind, channels, rate, _, _, bits = _FORMAT.unpack_from(described)
    if kind == _EXTENSIBLE and len(described) >= 26:
        kind = int.from_bytes(described[24:26], "little")
    law = _LAWS.get(kind, "")
    if law and (rate, channels) != (RATE, 1):
        raise BadSound("sounds in G.711 must have 8000 Hz and one channel")
    if not law and (kind != _PCM or bits != 16):
        raise BadSound("sounds must be 16-bit PCM, or G.711")
    if not RATE <= rate <= MAX_RATE or not 1 <= channels <= MAX_CHANNELS:
        raise BadSound(f"sounds must have {RATE} to {MAX_RATE} Hz, and one or two channels")
    samples = array("B" if law else "h", data[: len(data) - len(data) % (1 if law else 2 * channels)])
    if not samples:
        raise BadSound("the WAV file has no samples")
    if sys.byteorder == "big" and not law:
        samples.byteswap()
    return Sound(rate=rate, channels=channels, law=law, samples=samples)


def _mean(samples: "array[int]") -> int | None:
    return sum(samples) // len(samples) if samples else None


@cache
def _encoding_table(law: str) -> bytes:
    """By the upper 14 bits of a sample, as two's complement."""
    return bytes(encoded((index - 0x4000 if index & 0x2000 else index) << 2, law) for index in range(0x4000))
