"""Tones as G.711 (u-law) carries them, and which tone is heard: a cheap proof of what arrived, and from where."""

import math
import wave
from collections.abc import Iterable, Sequence
from pathlib import Path

RATE = 8_000
"""Samples a second."""
FRAME = 160
"""Samples a packet: 20 ms."""
_BIAS = 0x84


def samples_of(frequency: int, count: int) -> list[int]:
    """So many 16-bit samples of a tone."""
    return [round(8_000 * math.sin(2 * math.pi * frequency * index / RATE)) for index in range(count)]


def voice(frequency: int) -> bytes:
    """The payload of a packet of PCMU; for multiples of 50 Hz the next packet is the same."""
    return bytes(_to_ulaw(sample) for sample in samples_of(frequency, FRAME))


def heard(payloads: Iterable[bytes], among: Sequence[int]) -> int:
    """Which of these tones PCMU carries; 0 if none stands out."""
    return strongest([_from_ulaw(octet) for payload in payloads for octet in payload], among)


def strongest(samples: Sequence[int], among: Sequence[int]) -> int:
    """Which of these tones has more than half of the power; 0 if none has."""
    power = sum(sample * sample for sample in samples) / max(1, len(samples))
    shares = {frequency: _power(samples, frequency) / max(1.0, power) for frequency in among}
    found = max(shares, key=lambda frequency: shares[frequency])
    return found if shares[found] > 0.5 else 0


def write_tone(path: Path, frequency: int, seconds: int = 1) -> None:
    """A WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(
            b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples_of(frequency, RATE)) * seconds
        )


def read_samples(path: Path) -> list[int]:
    """The samples of a WAV file with one channel."""
    with wave.open(str(path), "rb") as file:
        data = file.readframes(file.getnframes())
    return [int.from_bytes(data[at : at + 2], "little", signed=True) for at in range(0, len(data), 2)]


def _power(samples: Sequence[int], frequency: int) -> float:
    """Of one frequency (Goertzel)."""
    turn = 2 * math.cos(2 * math.pi * frequency / RATE)
    last = before = 0.0
    for sample in samples:
        last, before = sample + turn * last - before, last
    return 2 * (last * last + before * before - turn * last * before) / max(1, len(samples)) ** 2


def _from_ulaw(octet: int) -> int:
    code = ~octet & 0xFF
    magnitude = ((code & 0x0F) << 3) + _BIAS << (code >> 4 & 7)
    return _BIAS - magnitude if code & 0x80 else magnitude - _BIAS


def _to_ulaw(sample: int) -> int:
    return min(range(256), key=lambda octet: abs(_from_ulaw(octet) - sample))
