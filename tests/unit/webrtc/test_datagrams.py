"""Telling apart what arrives at one socket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.webrtc.datagrams import Datagram


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
