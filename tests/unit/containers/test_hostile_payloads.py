"""Payloads that no browser sends cost a frame, and neither the process nor much memory; holes are waited for once."""

from collections.abc import Iterator

import pytest

from protocol.containers.frames import MAX_FRAME, MAX_UNITS
from protocol.containers.reorder import PATIENCE, Reorder
from protocol.containers.track_reader import TrackReader
from protocol.taps import RecordKind, TapRecord, TrackFormat

SPS, PPS, IDR = b"\x67\x42\xc0\x1f", b"\x68\xce", b"\x65ab"
KEY_FRAMES = {
    "H264": b"\x78" + b"".join([len(unit).to_bytes(2, "big") + unit for unit in (SPS, PPS, IDR)]),
    "AV1": b"\x18\x08\0\0\0",
}


def taken(codec: str, payloads: list[bytes]) -> tuple[int, int]:
    """How many frames come of one frame of these and of a good one after it, and how many payloads were malformed."""
    reader, frames = TrackReader(0, TrackFormat(codec, 90_000)), 0
    for number, payload in enumerate([*payloads, KEY_FRAMES[codec]]):
        is_last = number >= len(payloads) - 1
        header = bytes((0x80, 0x80 if is_last else 0)) + bytes(5) + bytes((number == len(payloads),)) + bytes(4)
        frames += len(reader.take(TapRecord(RecordKind.RTP, 0, number, 1.0, header + payload)))
    return frames, reader.malformed


def fragments(unit: bytes, first: int) -> Iterator[bytes]:
    """H.264's FU-A of a long unit."""
    for at in range(0, len(unit), 60_000):
        head = first & 0x1F | (0x80 if not at else 0) | (0x40 if at + 60_000 >= len(unit) else 0)
        yield bytes((0x7C, head)) + unit[at : at + 60_000]


@pytest.mark.parametrize(
    ("codec", "payloads"),
    [
        ("AV1", [b"\x10\x0a\xff\xff"]),  # the size of a unit does not end
        ("AV1", [b"\0" + b"\x01\x08" * 600] * (MAX_UNITS // 600 + 1)),
        ("H264", [*fragments(bytes(70_000), SPS[0]), PPS, IDR]),  # the record has two bytes for its length
        ("H264", [*fragments(bytes(70_000), PPS[0]), IDR]),
        ("H264", [b"\x78" + b"\0\1\x01" * 399] * (MAX_UNITS // 399 + 1)),
    ],
)
def test_what_cannot_be_a_frame_is_dropped_and_the_next_one_is_taken(codec: str, payloads: list[bytes]) -> None:
    frames, malformed = taken(codec, payloads)
    assert frames == 1
    assert malformed > 0


def test_a_frame_of_very_many_packets_is_too_large() -> None:
    reader = TrackReader(0, TrackFormat("VP8", 90_000))
    packet = b"\x80\0" + bytes(10) + b"\x10\x01"
    for number in range(MAX_FRAME // 256 + 1):
        reader.take(TapRecord(RecordKind.RTP, 0, number, 1.0, packet))
    assert reader.malformed == 1


def test_holes_that_follow_each_other_are_waited_for_at_the_same_time() -> None:
    order, latest = Reorder[float](), 0.0
    for number in range(3000):
        now = number * 0.02
        if number % 20:
            latest = max([latest, *(now - item for item, _ in order.put(number, now, now))])
    assert order.lost > 100
    assert latest <= PATIENCE + 0.03
