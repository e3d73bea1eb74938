"""Telling apart what arrives at one socket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.webrtc.demux import Datagram, ssrc_of


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        (0, Datagram.STUN),
        (3, Datagram.STUN),
        (4, Datagram.OTHER),
        (19, Datagram.OTHER),
        (20, Datagram.DTLS),
        (63, Datagram.DTLS),
        (64, Datagram.OTHER),
        (127, Datagram.OTHER),
        (128, Datagram.RTP),
        (191, Datagram.RTP),
        (192, Datagram.OTHER),
        (255, Datagram.OTHER),
    ],
)
def test_the_first_byte_tells_the_protocol(first: int, kind: Datagram) -> None:
    assert Datagram.of(bytes((first, 0))) is kind


@pytest.mark.parametrize(
    ("second", "kind"),
    [
        (0x60, Datagram.RTP),
        (0xBF, Datagram.RTP),
        (0xC0, Datagram.RTCP),
        (0xC8, Datagram.RTCP),
        (0xDF, Datagram.RTCP),
        (0xE0, Datagram.RTP),  # payload type 96 with the marker
        (0xFF, Datagram.RTP),
    ],
)
def test_the_second_byte_tells_rtcp_from_rtp(second: int, kind: Datagram) -> None:
    assert Datagram.of(bytes((0x80, second))) is kind


@given(st.binary(max_size=1))
def test_less_than_two_bytes_are_nothing_of_ours(data: bytes) -> None:
    assert Datagram.of(data) is Datagram.OTHER


def test_the_sender_of_an_encrypted_packet_is_told_by_its_ssrc() -> None:
    rtp, rtcp = bytes.fromhex("8060000100000002") + b"\x00\x00\x12\x34", bytes.fromhex("80c80001") + b"\x00\x00\x56\x78"
    assert ssrc_of(Datagram.RTP, rtp) == 0x1234
    assert ssrc_of(Datagram.RTCP, rtcp) == 0x5678
    assert ssrc_of(Datagram.RTP, rtp[:-1]) is None
    assert ssrc_of(Datagram.RTCP, rtcp[:-1]) is None
    assert ssrc_of(Datagram.DTLS, rtp) is None
