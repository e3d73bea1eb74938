import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.sfu.outgoing_track import HALF, NODE_PADDED_UP_TO, NODE_PADDING, OutgoingTrack, Variant
from protocol.sfu.rtt import RttEstimator
from protocol.webrtc import rtp


def canonical(sequence: int, *, marker: bool = False, payload: bytes = b"picture") -> bytes:
    return struct.pack("!BBHII", 0x80, marker << 7, sequence & 0xFFFF, 4242, 0xCAFE) + payload


def viewer(*, rtx: bool = True) -> OutgoingTrack:
    return OutgoingTrack(
        payload_type=120,
        rtx_payload_type=121 if rtx else None,
        rtx_ssrc=0xBEEF if rtx else None,
        rtx_sequence=65_530,
        round_trip=RttEstimator(),
        now=0.0,
    )


@given(st.integers(0, 1500), st.sampled_from([1, 8, 200]), st.integers(1, 127), st.sampled_from([0, HALF]))
def test_other_nodes_get_packets_of_few_sizes(size: int, padding: int, payload_type: int, flip: int) -> None:
    """Whatever padding they have for others, the same media is always the same packet: it may be encrypted again."""
    packet = canonical(5) + bytes(size)
    padded = bytes((packet[0] | rtp.PADDING,)) + packet[1:] + bytes(padding - 1) + bytes((padding,))
    variant = Variant(payload_type, flip, for_node=True)
    copy, again = variant.render_all([packet, padded])
    assert copy == again == variant.render(packet)
    assert len(copy) % NODE_PADDING == 0 or len(copy) > NODE_PADDED_UP_TO
    assert len(copy) < len(packet) + NODE_PADDING
    header, plain = rtp.parse_header(copy), rtp.parse_header(Variant(payload_type, flip).render(packet))
    assert header._replace(padding=0) == plain
    assert rtp.payload(copy, header) == rtp.payload(packet, rtp.parse_header(packet))


@pytest.mark.parametrize("marker", [False, True])
def test_a_copy_differs_in_payload_type_and_number_only(marker: bool) -> None:
    copy = Variant(120, HALF).render(canonical(5, marker=marker))
    header = rtp.parse_header(copy)
    assert (header.payload_type, header.marker, header.sequence) == (120, marker, 5 + HALF)
    assert copy[4:] == canonical(5)[4:]


@given(st.integers(0, 1 << 20))
def test_the_first_packet_is_always_in_the_lower_half(sequence: int) -> None:
    outgoing = viewer()
    outgoing.begin(sequence)
    first = rtp.parse_header(outgoing.variant.render(canonical(sequence)))
    assert first.sequence < HALF
    following = rtp.parse_header(outgoing.variant.render(canonical(sequence + 1)))
    assert following.sequence == first.sequence + 1


@given(st.integers(0, 1 << 20), st.integers(0, 30_000))
def test_a_nack_is_translated_back(start: int, ahead: int) -> None:
    outgoing = viewer()
    outgoing.begin(start)
    wanted = rtp.parse_header(outgoing.variant.render(canonical(start + ahead))).sequence
    assert outgoing.source_sequence(wanted, start + ahead + 100) == start + ahead


def test_nothing_from_before_the_start_is_given() -> None:
    outgoing = viewer()
    assert outgoing.source_sequence(10, 100) is None
    outgoing.begin(70_000)
    before = (69_999 & 0xFFFF) ^ outgoing.variant.flip
    assert outgoing.source_sequence(before, 70_100) is None


def test_a_resend_by_rtx_has_a_number_of_its_own_and_names_the_original() -> None:
    outgoing = viewer()
    outgoing.begin(40_000)
    first, second = outgoing.resend(canonical(40_000, marker=True)), outgoing.resend(canonical(40_001))
    header = rtp.parse_header(first)
    assert (header.payload_type, header.ssrc, header.timestamp, header.marker) == (121, 0xBEEF, 4242, True)
    assert header.sequence < HALF
    assert rtp.parse_header(second).sequence == header.sequence + 1
    assert rtp.payload(first, header) == (40_000 - HALF).to_bytes(2, "big") + b"picture"


def test_padding_stays_in_a_copy_and_is_left_out_of_a_retransmission() -> None:
    packet = rtp.pad(canonical(40_000), 8)
    outgoing = viewer()
    outgoing.begin(40_000)
    copy, again = outgoing.variant.render(packet), outgoing.resend(packet)
    assert rtp.payload(copy, rtp.parse_header(copy)) == b"picture"
    assert len(copy) == len(packet)
    assert rtp.payload(again, rtp.parse_header(again))[2:] == b"picture"
    assert rtp.parse_header(again).padding == 0


def test_a_resend_without_rtx_is_the_same_bytes_as_before() -> None:
    outgoing = viewer(rtx=False)
    outgoing.begin(40_000)
    packet = canonical(40_005)
    assert outgoing.resend(packet) == outgoing.variant.render(packet)
