"""Picture sizes out of headers that real encoders wrote (x264, libvpx, SVT-AV1)."""

import pytest

from protocol.sfu.bits import BitReader
from protocol.sfu.frame_size import UNKNOWN, av1_size, h264_size, vp9_size

H264 = {
    "baseline": ("6742c01eda0280bfe584000003000400000300f23c58ba80", (640, 360)),
    "high, cropped": ("6742c015da06c7f92a10000003001000000303c8f162ea", (426, 238)),
    "4:4:4": ("67f400159196406c7f9ee10000030001000003003c8f162e48", (426, 238)),
    "interlaced": ("67640015ace405043f2c20000003002000000793e28549", (320, 240)),
}
VP9 = {
    "even": ("824983420027f016760038241c184a10005061f63af6805cd1ee", (640, 360)),
    "odd": ("824983420014000b460038241c184a00005061f63000", (321, 181)),
}
AV1 = {
    "640x360": ("0000000cc4ff671abe601032", (640, 360)),
    "426x238": ("000000043ea7b46af9804032", (426, 238)),
}


@pytest.mark.parametrize(("header", "size"), H264.values(), ids=H264)
def test_size_in_an_h264_parameter_set(header: str, size: tuple[int, int]) -> None:
    assert h264_size(bytes.fromhex(header)) == size


@pytest.mark.parametrize(("header", "size"), VP9.values(), ids=VP9)
def test_size_in_a_vp9_key_frame(header: str, size: tuple[int, int]) -> None:
    assert vp9_size(bytes.fromhex(header)) == size


@pytest.mark.parametrize(("header", "size"), AV1.values(), ids=AV1)
def test_size_in_an_av1_sequence_header(header: str, size: tuple[int, int]) -> None:
    assert av1_size(bytes.fromhex(header)) == size


def test_no_size_in_a_vp9_frame_that_is_no_key_frame() -> None:
    assert vp9_size(bytes.fromhex("860040929c0050010002")) == UNKNOWN


def test_no_size_in_a_vp9_frame_without_its_sync_code() -> None:
    assert vp9_size(bytes.fromhex("824983430027f01676")) == UNKNOWN


def test_no_size_larger_than_a_picture_can_be() -> None:
    # Baseline profile, five zeros and a flag, a width of 2^20 macroblocks, a height of one, no cropping.
    width = "0" * 20 + "1" + "0" * 20
    bits = "01000010" + "0" * 16 + "11111" + "0" + width + "1" + "1" + "00"
    bits += "0" * (-len(bits) % 8)
    header = b"\x67" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    assert h264_size(header) == UNKNOWN


def test_bits_are_read_from_the_most_significant_on() -> None:
    bits = BitReader(b"\xa5\x0f")
    assert [bits.read(4), bits.flag(), bits.read(3), bits.read(8)] == [0xA, False, 5, 0x0F]
    with pytest.raises(IndexError):
        bits.read(1)


@pytest.mark.parametrize(("code", "unsigned", "signed"), [("1", 0, 0), ("010", 1, 1), ("011", 2, -1), ("00101", 4, -2)])
def test_exponential_golomb_numbers(code: str, unsigned: int, signed: int) -> None:
    data = int(code.ljust(8, "0"), 2).to_bytes(1, "big")
    assert (BitReader(data).unsigned_golomb(), BitReader(data).signed_golomb()) == (unsigned, signed)


def test_an_endless_golomb_number_ends() -> None:
    with pytest.raises(IndexError):
        BitReader(bytes(64)).unsigned_golomb()
