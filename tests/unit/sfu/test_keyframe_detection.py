"""Where a key frame begins, in every packet form of each codec."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.sfu.keyframe_detection import KeyFrame, key_frame

SPS = bytes.fromhex("6742c01eda0280bfe584000003000400000300f23c58ba80")
PPS = bytes.fromhex("68ce0fc8")
VP8_KEY = bytes.fromhex("5034009d012a8002680101c70885")
VP8_DELTA = bytes.fromhex("7103000f11fc0018076ff033")
VP9_KEY = bytes.fromhex("824983420027f016760038241c184a10005061f63af6805cd1ee")
VP9_DELTA = bytes.fromhex("860040929c00500100020060a620")
AV1_SEQUENCE = bytes.fromhex("0a0b0000000cc4ff671abe601032")  # an OBU with a length of its own, 11 bytes of it
AV1_BARE = bytes.fromhex("080000000cc4ff671abe6010")  # as RTP has it: without one
AV1_FRAME = bytes.fromhex("30aabbcc")
KEY, SIZED = KeyFrame(), KeyFrame(640, 360)


def unit(nal: bytes) -> bytes:
    return len(nal).to_bytes(2, "big") + nal


VP8_CASES = [
    ("first packet", b"\x10" + VP8_KEY, SIZED),
    ("7-bit picture id", b"\x90\x80\x11" + VP8_KEY, SIZED),
    ("15-bit picture id", b"\x90\x80\x91\x22" + VP8_KEY, SIZED),
    ("every extension", b"\x90\xf0\x91\x22\x01\x40" + VP8_KEY, SIZED),
    ("non-reference bit", b"\x30" + VP8_KEY, SIZED),
    ("later packet of it", b"\x00" + VP8_KEY, None),
    ("other partition", b"\x11" + VP8_KEY, None),
    ("delta frame", b"\x10" + VP8_DELTA, None),
    ("no start code", b"\x10\x10\x02\x00\x9d\x01\x2b\x80\x02\x68\x01", None),
]
H264_CASES = [
    ("parameter set alone", SPS, SIZED),
    ("aggregate", b"\x78" + unit(SPS) + unit(PPS), SIZED),
    ("aggregate, set second", b"\x78" + unit(b"\x09\x10") + unit(SPS) + unit(PPS), SIZED),
    ("aggregate with slice", b"\x78" + unit(PPS) + unit(b"\x65\x88"), KEY),
    ("slice alone", b"\x65\x88\x84", KEY),
    ("first fragment of a slice", b"\x7c\x85\x88", KEY),
    ("first fragment of a set", b"\x7c\x87\x42", KEY),
    ("later fragment", b"\x7c\x05\x88", None),
    ("fragment of another slice", b"\x7c\x81\x9a", None),
    ("delta slice", b"\x41\x9a\x20", None),
    ("picture parameter set", PPS, None),
    ("aggregate of deltas", b"\x78" + unit(b"\x41\x9a") + unit(b"\x41\x9b"), None),
    ("broken set is one still", b"\x67\x42", KEY),
    ("length beyond the end", b"\x78\xff\xff" + SPS, SIZED),
]
VP9_CASES = [
    ("begin of frame", b"\x08" + VP9_KEY, SIZED),
    ("7-bit picture id", b"\x88\x11" + VP9_KEY, SIZED),
    ("15-bit picture id", b"\x88\x91\x22" + VP9_KEY, SIZED),
    ("base layer", b"\xa8\x11\x00\x07" + VP9_KEY, SIZED),
    ("base layer, flexible", b"\xb8\x11\x00" + VP9_KEY, SIZED),
    ("structure", b"\x8a\x11\x30\x01\x40\x00\xb4\x05\x00\x02\xd0" + VP9_KEY, KeyFrame(1280, 720)),
    ("structure of groups", b"\x8a\x11\x08\x02\x04\x01\x08\x01\x02" + VP9_KEY, SIZED),
    ("upper layer", b"\xa8\x11\x02\x07" + VP9_KEY, None),
    ("predicted", b"\x48" + VP9_DELTA, None),
    ("later packet of it", b"\x00" + VP9_KEY, None),
]
AV1_CASES = [
    ("one element", b"\x18" + AV1_BARE, SIZED),
    ("element with its own length", b"\x18" + AV1_SEQUENCE[:13], SIZED),
    ("counted elements", b"\x28" + bytes([len(AV1_BARE)]) + AV1_BARE + AV1_FRAME, SIZED),
    ("uncounted elements", b"\x08" + bytes([len(AV1_BARE)]) + AV1_BARE + b"\x04" + AV1_FRAME, SIZED),
    ("behind a delimiter", b"\x28\x01\x10" + AV1_BARE, SIZED),
    ("without the mark", b"\x10" + AV1_BARE, SIZED),
    ("mark without a header", b"\x18" + AV1_FRAME, KEY),
    ("frame", b"\x10" + AV1_FRAME, None),
    ("continued element", b"\x98" + AV1_BARE, None),
    ("delimiter alone", b"\x10\x10", None),
]
CASES = [
    pytest.param(codec, payload, found, id=f"{codec} {name}")
    for codec, cases in (("VP8", VP8_CASES), ("H264", H264_CASES), ("VP9", VP9_CASES), ("AV1", AV1_CASES))
    for name, payload, found in cases
]


@pytest.mark.parametrize(("codec", "payload", "found"), CASES)
def test_key_frame(codec: str, payload: bytes, found: KeyFrame | None) -> None:
    assert key_frame(codec, payload) == found


def test_audio_has_none() -> None:
    assert key_frame("OPUS", b"\x10" + VP8_KEY) is None


@given(st.sampled_from(["VP8", "H264", "VP9", "AV1"]), st.binary(max_size=64))
def test_any_bytes_may_come(codec: str, payload: bytes) -> None:
    found = key_frame(codec, payload)
    assert found is None or (0 <= found.width <= 65536 and 0 <= found.height <= 65536)


@given(st.sampled_from(CASES), st.integers(0, 40), st.binary(max_size=3))
def test_a_key_frame_cut_short_raises_nothing(case: object, length: int, tail: bytes) -> None:
    codec, payload, _ = getattr(case, "values")  # noqa: B009  the attribute of pytest's ParameterSet, untyped
    found = key_frame(codec, payload[:length] + tail)
    assert found is None or isinstance(found, KeyFrame)
