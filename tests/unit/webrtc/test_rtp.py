"""RTP headers: read, written, padded, against aiortc and against hostile bytes."""

import pytest
from aiortc import rtp as reference
from hypothesis import given
from hypothesis import strategies as st

from protocol.webrtc.rtp import (
    RtpError,
    extension,
    extension_u16,
    pad,
    parse_header,
    payload,
    peek_ssrc,
    size_without_padding,
    wrap_rtx,
)
from tests.support.media.rtp_packets import build_header

u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFFFFFF)
payload_types = st.integers(0, 127)
one_byte = st.dictionaries(st.integers(1, 14), st.binary(min_size=1, max_size=16), max_size=6)
two_byte = st.dictionaries(st.integers(1, 255), st.binary(max_size=40), max_size=6)


def packet(body: bytes = b"payload", *, extensions: tuple[tuple[int, bytes], ...] = (), marker: bool = True) -> bytes:
    fixed = build_header(
        payload_type=96, marker=marker, sequence=1000, timestamp=90000, ssrc=0x1234, extensions=extensions
    )
    return fixed + body


def padded(data: bytes, size: int) -> bytes:
    return bytes((data[0] | 0x20,)) + data[1:] + bytes(size - 1) + bytes((size,))


class TestHeader:
    @given(payload_types, st.booleans(), u16, u32, u32, st.lists(u32, max_size=15), st.binary(max_size=50))
    def test_it_reads_what_aiortc_writes(
        self, pt: int, marker: bool, seq: int, timestamp: int, ssrc: int, sources: list[int], body: bytes
    ) -> None:
        sent = reference.RtpPacket(pt, int(marker), seq, timestamp, ssrc, body)
        sent.csrc = sources
        data = sent.serialize()
        header = parse_header(data)
        assert header[:5] == (pt, marker, seq, timestamp, ssrc)
        assert payload(data, header) == body
        assert peek_ssrc(data) == ssrc

    @given(payload_types, st.booleans(), u16, u32, u32, st.lists(u32, max_size=15), one_byte | two_byte)
    def test_aiortc_reads_what_it_writes(
        self, pt: int, marker: bool, seq: int, ts: int, ssrc: int, sources: list[int], found: dict[int, bytes]
    ) -> None:
        data = build_header(
            payload_type=pt,
            marker=marker,
            sequence=seq,
            timestamp=ts,
            ssrc=ssrc,
            csrcs=sources,
            extensions=found.items(),
        )
        got = reference.RtpPacket.parse(data + b"x")
        assert (got.payload_type, got.marker, got.sequence_number) == (pt, marker, seq)
        assert (got.timestamp, got.ssrc, got.csrc, got.payload) == (ts, ssrc, sources, b"x")
        header = parse_header(data)
        block = data[header.extension_start : header.extension_end]
        assert dict(reference.unpack_header_extensions(header.extension_profile, block)) == found

    @pytest.mark.parametrize("size", [1, 4, 7])
    def test_padding_is_no_payload(self, size: int) -> None:
        data = padded(packet(), size)
        header = parse_header(data)
        assert header.padding == size
        assert payload(data, header) == b"payload"

    def test_a_packet_of_padding_only(self) -> None:
        data = padded(packet(b""), 255)
        assert payload(data, parse_header(data)) == b""

    @pytest.mark.parametrize("size", [0, 9, 255])
    def test_padding_that_cannot_be(self, size: int) -> None:
        data = packet() + bytes((size,))  # eight bytes after the header
        with pytest.raises(RtpError, match="padding"):
            parse_header(bytes((data[0] | 0x20,)) + data[1:])

    def test_every_truncation_of_a_header(self) -> None:
        data = build_header(
            payload_type=96,
            marker=False,
            sequence=1,
            timestamp=2,
            ssrc=3,
            csrcs=(4, 5),
            extensions=((1, b"abc"),),
        )
        for size in range(len(data)):
            with pytest.raises(RtpError):
                parse_header(data[:size])
        assert parse_header(data).payload_offset == len(data)

    def test_contributing_sources_beyond_the_end(self) -> None:
        with pytest.raises(RtpError, match="contributing"):
            parse_header(b"\x81" + packet(b"abc")[1:])

    @pytest.mark.parametrize("first", [0x00, 0x40, 0xC0])
    def test_another_version(self, first: int) -> None:
        with pytest.raises(RtpError, match="version"):
            parse_header(bytes((first,)) + packet()[1:])

    @given(st.binary(max_size=100), st.integers(0, 255))
    def test_any_bytes(self, data: bytes, wanted: int) -> None:
        try:
            header = parse_header(data)
            found = extension(data, header, wanted)
        except RtpError:
            return
        assert 12 <= header.payload_offset <= len(data) - header.padding
        assert found is None or found in data

    @given(st.binary(min_size=12, max_size=60).map(lambda data: bytes((data[0] & 0x3F | 0x80,)) + data[1:]))
    def test_what_aiortc_accepts_is_read_alike(self, data: bytes) -> None:
        try:
            expected = reference.RtpPacket.parse(data)
        except ValueError:
            return
        header = parse_header(data)
        assert (header.payload_type, header.marker) == (expected.payload_type, bool(expected.marker))
        assert (header.padding, payload(data, header)) == (expected.padding_size, expected.payload)

    def test_a_memoryview_will_do(self) -> None:
        assert parse_header(memoryview(bytearray(packet()))) == parse_header(packet())

    def test_less_than_a_header_has_no_ssrc(self) -> None:
        with pytest.raises(RtpError):
            peek_ssrc(packet()[:11])


class TestExtensions:
    @given(one_byte | two_byte, st.integers(1, 255))
    def test_lookup(self, found: dict[int, bytes], other: int) -> None:
        data = packet(extensions=tuple(found.items()))
        header = parse_header(data)
        for identifier, value in found.items():
            assert extension(data, header, identifier) == value
        assert extension(data, header, other) == found.get(other)
        assert payload(data, header) == b"payload"

    def test_a_16_bit_number(self) -> None:
        data = packet(extensions=((3, b"\x12\x34"), (4, b"\x12\x34\x56")))
        header = parse_header(data)
        assert extension_u16(data, header, 3) == 0x1234
        assert extension_u16(data, header, 4) is None
        assert extension_u16(data, header, 5) is None

    def test_one_byte_padding_between_elements_and_the_id_that_ends_them(self) -> None:
        block = b"\xbe\xde\x00\x02" + b"\x00\x00\x10a" + b"\xf0\x20b\x00"
        data = bytes((0x90,)) + packet(b"")[1:] + block
        header = parse_header(data)
        assert extension(data, header, 1) == b"a"
        assert extension(data, header, 2) is None
        assert extension(data, header, 15) is None

    def test_two_byte_profile_with_application_bits(self) -> None:
        data = bytes((0x90,)) + packet(b"")[1:] + b"\x10\x05\x00\x01" + b"\x07\x01a\x00"
        assert extension(data, parse_header(data), 7) == b"a"

    def test_a_foreign_profile_holds_nothing(self) -> None:
        data = bytes((0x90,)) + packet(b"")[1:] + b"\xab\xcd\x00\x01" + b"\x10abc"
        assert extension(data, parse_header(data), 1) is None

    @pytest.mark.parametrize(
        "block", [b"\xbe\xde\x00\x01\x1fabc", b"\x10\x00\x00\x01\x01\x03ab", b"\x10\x00\x00\x01\x00\x00\x00\x01"]
    )
    def test_an_element_that_ends_too_late(self, block: bytes) -> None:
        data = bytes((0x90,)) + packet(b"")[1:] + block
        with pytest.raises(RtpError, match="element"):
            extension(data, parse_header(data), 1)


class TestPadding:
    @given(st.binary(min_size=1, max_size=300), st.integers(1, 256))
    def test_it_lengthens_the_packet_and_leaves_the_payload(self, body: bytes, multiple: int) -> None:
        plain = packet(body)
        data = pad(plain, multiple)
        header = parse_header(data)
        assert len(data) % multiple == 0
        assert len(data) - len(plain) == header.padding < multiple
        assert payload(data, header) == body
        assert size_without_padding(data) == len(plain)
        assert header._replace(padding=0) == parse_header(plain)

    def test_aiortc_agrees(self) -> None:
        got = reference.RtpPacket.parse(pad(packet(), 8))
        assert (got.payload, got.padding_size) == (b"payload", 5)

    def test_nothing_has_no_padding(self) -> None:
        assert size_without_padding(b"") == 0


class TestRetransmission:
    @given(st.binary(min_size=1, max_size=40), u16, u32, st.integers(1, 256))
    def test_aiortc_finds_the_original(self, body: bytes, sequence: int, ssrc: int, multiple: int) -> None:
        sent = wrap_rtx(pad(packet(body), multiple), payload_type=97, sequence=sequence, ssrc=ssrc)
        assert parse_header(sent)[:5] == (97, True, sequence, 90000, ssrc)
        got = reference.unwrap_rtx(reference.RtpPacket.parse(sent), payload_type=96, ssrc=0x1234)
        assert got.serialize() == packet(body)

    def test_the_number_that_the_receiver_misses_may_differ(self) -> None:
        sent = wrap_rtx(packet(), payload_type=97, sequence=1, ssrc=2, original=77)
        assert reference.unwrap_rtx(reference.RtpPacket.parse(sent), payload_type=96, ssrc=3).sequence_number == 77
