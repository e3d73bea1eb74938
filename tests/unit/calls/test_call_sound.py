"""Sounds for phones: which WAV files can be played, and what becomes of them."""

import math
import struct
from itertools import pairwise

import pytest

from protocol.calls.g711 import ALAW_TO_ULAW, ULAW_TO_ALAW
from protocol.calls.sound import FRAME, BadSound, read_sound


def wave(data: bytes, *, rate: int = 8_000, channels: int = 1, kind: int = 1, bits: int = 16) -> bytes:
    size = bits // 8 * channels
    described = struct.pack("<HHIIHH", kind, channels, rate, rate * size, size, bits)
    chunks = b"fmt " + struct.pack("<I", 16) + described + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def tone(rate: int, channels: int, seconds: float) -> bytes:
    samples = (int(8000 * math.sin(2 * math.pi * 440 * index / rate)) for index in range(int(rate * seconds)))
    return b"".join(struct.pack("<h", sample) * channels for sample in samples)


def crossings(frames: list[bytes]) -> int:
    """How often the tone passes from below zero to above."""
    signs = [octet >> 7 for octet in b"".join(frames)]
    return sum(before < after for before, after in pairwise(signs))


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (11_025, 1), (16_000, 2), (44_100, 1), (48_000, 2)])
@pytest.mark.parametrize("law", ["PCMU", "PCMA"])
def test_pcm_of_any_rate_becomes_frames_of_a_law(rate: int, channels: int, law: str) -> None:
    sound = read_sound(wave(tone(rate, channels, 0.5), rate=rate, channels=channels))
    frames = list(sound.frames(law))
    assert sound.seconds == pytest.approx(0.5, abs=0.001)
    assert {len(frame) for frame in frames} == {FRAME}
    assert len(frames) == 25
    assert crossings(frames) == pytest.approx(220, abs=2)


def test_a_law_is_passed_on_or_turned_into_the_other() -> None:
    octets = bytes(range(256))
    sound = read_sound(wave(octets, kind=7, bits=8))
    assert b"".join(sound.frames("PCMU")) == octets + b"\xff" * 64
    assert b"".join(sound.frames("PCMA")) == octets.translate(ULAW_TO_ALAW) + b"\xd5" * 64
    assert next(read_sound(wave(octets, kind=6, bits=8)).frames("PCMU")) == octets[:160].translate(ALAW_TO_ULAW)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "no WAV file"),
        (b"RIFF\0\0\0\0WAVE", "lacks"),
        (wave(b""), "no samples"),
        (wave(b"\0" * 320, bits=8), "16-bit"),
        (wave(b"\0" * 320, kind=3), "16-bit"),
        (wave(b"\0" * 320, rate=4_000), "8000 to 48000"),
        (wave(b"\0" * 320, rate=96_000), "8000 to 48000"),
        (wave(b"\0" * 320, channels=6), "one or two"),
        (wave(b"\0" * 320, kind=7, bits=8, rate=16_000), "G.711"),
    ],
)
def test_what_cannot_be_played_says_why(data: bytes, fault: str) -> None:
    with pytest.raises(BadSound, match=fault):
        read_sound(data)


def test_any_cut_of_a_file_is_a_shorter_sound_or_a_fault() -> None:
    whole = wave(tone(8_000, 1, 0.1))
    for end in range(0, len(whole), 7):
        try:
            assert read_sound(whole[:end]).seconds <= 0.1
        except BadSound:
            assert end < 48
