"""Coded pictures and sound become RTP payloads, from which they come back as they were."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.containers.frames import MalformedPayload
from protocol.containers.h264_units import H264Depayloader, avc_record
from protocol.containers.packetizers import (
    MAX_PAYLOAD,
    H264Packetizer,
    Vp8Packetizer,
    annex_b_units,
    g711_parts,
    packetizer,
    sized_units,
)
from protocol.sfu.keyframe_detection import key_frame

SPS = bytes.fromhex("6764000cacd94141fb0110000003001000000303c8f142996000")[:-1]
PPS = bytes.fromhex("68ebe3cb22c0")
SLICE = b"\x41" + b"\x9a" * 30
IDR = b"\x65" + b"\x88" * 30
START = b"\x00\x00\x00\x01"


def annex_b(*units: bytes) -> bytes:
    return b"".join(START + unit for unit in units)


def sized(*units: bytes) -> bytes:
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


def came_through(payloads: list[bytes]) -> list[bytes]:
    """The units that a receiver gets."""
    depayloader = H264Depayloader()
    for payload in payloads:
        assert len(payload) <= MAX_PAYLOAD
        depayloader.add(payload)
    frame = depayloader.finish()
    assert frame is not None
    return sized_units(frame.data, 4)


def test_parameter_sets_go_before_each_idr_picture_wherever_they_were() -> None:
    beside = H264Packetizer(avc_record(SPS, (PPS,)))
    within = H264Packetizer()
    for cut, first in ((beside, sized(IDR)), (within, annex_b(SPS, PPS, IDR))):
        assert came_through(cut.payloads(first)) == [SPS, PPS, IDR]
    assert came_through(within.payloads(annex_b(IDR))) == [SPS, PPS, IDR]
    assert came_through(within.payloads(annex_b(SLICE))) == [SLICE]
    assert beside.profile == "64000c"


def test_a_key_frame_is_seen_in_its_first_packet() -> None:
    payloads = H264Packetizer(annex_b(SPS, PPS)).payloads(annex_b(IDR))
    found = key_frame("H264", payloads[0])
    assert found is not None


def test_changed_parameter_sets_replace_those_before() -> None:
    cut = H264Packetizer(annex_b(SPS, PPS))
    other = SPS[:-1] + b"\x01"
    assert came_through(cut.payloads(annex_b(other, PPS, IDR))) == [other, PPS, IDR]


def test_delimiters_and_filler_are_left_out() -> None:
    assert came_through(H264Packetizer().payloads(annex_b(b"\x09\xf0", SLICE, b"\x0c\xff\xff"))) == [SLICE]
    assert H264Packetizer().payloads(annex_b(b"\x09\xf0")) == []


@given(st.lists(st.binary(min_size=1, max_size=5000), min_size=1, max_size=5))
def test_every_picture_comes_through(bodies: list[bytes]) -> None:
    units = [b"\x41" + body for body in bodies]
    assert came_through(H264Packetizer(avc_record(SPS, (PPS,))).payloads(sized(*units))) == units


@given(st.binary(max_size=200))
def test_hostile_bytes_are_payloads_or_refused(data: bytes) -> None:
    for setup in (b"", avc_record(SPS, (PPS,))):
        try:
            payloads = H264Packetizer(setup).payloads(data)
        except MalformedPayload:
            continue
        assert all(0 < len(payload) <= MAX_PAYLOAD for payload in payloads)


@pytest.mark.parametrize("setup", [b"\x01", b"\x01\x64\x00\x0c\xff\xe1\x00\x40", b"\x01\x64\x00\x0c\xff\xe1\x00"])
def test_a_record_that_is_cut_short_is_refused(setup: bytes) -> None:
    with pytest.raises(MalformedPayload):
        H264Packetizer(setup)


def test_units_between_start_codes() -> None:
    assert annex_b_units(b"\x00\x00\x01\x41\x01\x00\x00\x00\x01\x42\x02") == [b"\x41\x01", b"\x42\x02"]
    assert annex_b_units(b"no start code") == []


def test_vp8_says_where_a_picture_begins() -> None:
    data = bytes(range(256)) * 10
    payloads = Vp8Packetizer().payloads(data)
    assert [payload[0] for payload in payloads] == [0x10, 0, 0]
    assert b"".join(payload[1:] for payload in payloads) == data


def test_sound_is_not_cut() -> None:
    cut = packetizer("OPUS")
    assert cut.payloads(b"sound") == [b"sound"]
    assert cut.payloads(b"") == []
    with pytest.raises(MalformedPayload):
        cut.payloads(bytes(MAX_PAYLOAD + 1))


@pytest.mark.parametrize("size", [160, MAX_PAYLOAD, MAX_PAYLOAD + 1, 1400, 4096])
def test_g711_is_cut_into_packets_that_follow_one_another(size: int) -> None:
    sound = bytes(index & 0xFF for index in range(size))
    parts = g711_parts(sound)
    assert b"".join(part for part, _ in parts) == sound
    assert max(len(part) for part, _ in parts) <= MAX_PAYLOAD
    assert len(parts) == -(-size // MAX_PAYLOAD)
    at = 0
    for part, after in parts:
        assert after == at / 8000
        at += len(part)


def test_no_g711_is_no_packet() -> None:
    assert g711_parts(b"") == []
