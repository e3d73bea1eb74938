"""Packets on a byte stream (RFC 4571)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.webrtc.framing import MAX_FRAME, FramingError, PacketReader, framed

packets = st.lists(st.binary(max_size=300), max_size=20)


@given(packets, st.lists(st.integers(1, 50), min_size=1))
def test_packets_arrive_as_they_were_however_they_are_cut(sent: list[bytes], cuts: list[int]) -> None:
    stream, reader, came = b"".join(map(framed, sent)), PacketReader(), list[bytes]()
    for turn in range(len(stream)):
        piece, stream = stream[: cuts[turn % len(cuts)]], stream[cuts[turn % len(cuts)] :]
        reader.feed(piece)
        while reader.is_ready:
            came += reader.take(3)
    assert came == [packet for packet in sent if packet]
    assert reader.take(3) == []


def test_no_more_are_given_than_asked_for_and_empty_ones_count() -> None:
    reader = PacketReader()
    reader.feed(framed(b"") * 5 + framed(b"a") + framed(b"b"))
    assert [reader.take(2) for _ in range(4)] == [[], [], [b"a"], [b"b"]]
    assert not reader.is_ready


def test_the_longest_packet() -> None:
    reader = PacketReader()
    reader.feed(framed(bytes(MAX_FRAME)))
    assert reader.take(1) == [bytes(MAX_FRAME)]


def test_a_longer_one_is_an_error_before_it_has_come() -> None:
    reader = PacketReader()
    reader.feed(framed(b"a") + (MAX_FRAME + 1).to_bytes(2, "big"))
    assert reader.take(1) == [b"a"]
    assert reader.is_ready
    with pytest.raises(FramingError, match="2049 bytes"):
        reader.take(1)


def test_what_cannot_be_framed_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="too long"):
        framed(bytes(65536))
