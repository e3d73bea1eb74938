"""RTP headers on raw buffers (RFC 3550 section 5, RFC 8285 extensions, RFC 4588 retransmission).

The media path handles every packet, so a header is one tuple of numbers and offsets; nothing is copied until needed.
"""

from struct import Struct
from typing import NamedTuple, TypeAlias

from protocol.common.errors import ProtocolError

Buffer: TypeAlias = bytes | bytearray | memoryview

HEADER_SIZE = 12
_VERSION = 0x80
PADDING = 0x20
"""In the first byte: the packet ends in padding."""
_EXTENSION = 0x10
_TWO_BYTE = 0x1000
ONE_BYTE = 0xBEDE
"""Profile of header extensions in the one-byte form (RFC 8285 section 4.2)."""
STOP_ID = 15
"""In this form: nothing follows."""

_HEADER = Struct("!BBHII")
_U16 = Struct("!H")
_U32 = Struct("!I")
_EXTENSION_HEADER = Struct("!HH")


class RtpError(ProtocolError):
    """The bytes are not an RTP packet, or end before they should."""


class RtpHeader(NamedTuple):
    """The layout of a packet.

    `padding` counts the bytes to cut off the end, including the count itself; 0 for none. Header extensions, when
    `extension_profile` is not 0, lie in `extension_start:extension_end`. The payload is `payload_offset:len - padding`.
    """

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload_offset: int
    padding: int
    extension_profile: int
    extension_start: int
    extension_end: int


def peek_ssrc(data: Buffer) -> int:
    """The SSRC, without reading the rest, for use before decryption. Raises `RtpError` on less than a header."""
    if len(data) < HEADER_SIZE:
        raise RtpError("RTP packet is shorter than its header")
    ssrc: int = _U32.unpack_from(data, 8)[0]
    return ssrc


def parse_header(data: Buffer) -> RtpHeader:
    """Read the header of a decrypted packet. Raises `RtpError`."""
    if len(data) < HEADER_SIZE:
        raise RtpError("RTP packet is shorter than its header")
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if first & 0xC0 != _VERSION:
        raise RtpError("RTP version is not 2")
    offset = HEADER_SIZE
    profile = start = end = padding = 0
    if first & 0x3F:
        offset += (first & 0x0F) * 4
        if first & _EXTENSION:
            profile, start, offset = _extension_block(data, offset)
            end = offset
        padding = _padding(data, offset) if first & PADDING else 0
        if offset > len(data):
            raise RtpError("RTP contributing sources are truncated")
    return RtpHeader(
        second & 0x7F,
        second > 0x7F,
        sequence,
        timestamp,
        ssrc,
        offset,
        padding,
        profile,
        start,
        end,
    )


def _extension_block(data: Buffer, offset: int) -> tuple[int, int, int]:
    """Profile, start and end of the header extension at `offset`."""
    start = offset + 4
    if start > len(data):
        raise RtpError("RTP header extension is truncated")
    profile, words = _EXTENSION_HEADER.unpack_from(data, offset)
    end = start + words * 4
    if end > len(data):
        raise RtpError("RTP header extension is truncated")
    return profile, start, end


def _padding(data: Buffer, offset: int) -> int:
    size = data[-1]
    if not 0 < size <= len(data) - offset:
        raise RtpError("RTP padding is longer than the payload")
    return size


def payload(data: bytes, header: RtpHeader) -> bytes:
    """The payload without padding."""
    return data[header.payload_offset : len(data) - header.padding]


def pad(packet: bytes, multiple: int) -> bytes:
    """Pad a packet, which has no padding yet, to a multiple of `multiple` bytes, at most 256 (RFC 3550 section 5.1)."""
    missing = -len(packet) % multiple
    if not missing:
        return packet
    return bytes((packet[0] | PADDING,)) + packet[1:] + bytes(missing - 1) + bytes((missing,))


def without_padding(packet: bytes) -> bytes:
    """A packet without its padding, which must be valid."""
    return bytes((packet[0] ^ PADDING,)) + packet[1 : -packet[-1]] if packet[0] & PADDING else packet


def size_without_padding(packet: bytes) -> int:
    """The length of a packet (or of nothing) without its padding, which must be valid."""
    return len(packet) - packet[-1] if packet and packet[0] & PADDING else len(packet)


def extension(data: Buffer, header: RtpHeader, extension_id: int) -> bytes | None:
    """The value of the header extension `extension_id` (1 to 255); None when absent. Raises `RtpError`.

    One-byte and two-byte forms are understood (RFC 8285 sections 4.2 and 4.3); other profiles are ignored.
    """
    if header.extension_profile == ONE_BYTE:
        return _one_byte_extension(data, header, extension_id)
    if header.extension_profile & 0xFFF0 == _TWO_BYTE:
        return _two_byte_extension(data, header, extension_id)
    return None


def _one_byte_extension(data: Buffer, header: RtpHeader, wanted: int) -> bytes | None:
    position, end = header.extension_start, header.extension_end
    while position < end:
        tag = data[position]
        position += 1
        if tag == 0:
            continue
        if tag >> 4 == STOP_ID:
            return None
        size = (tag & 0x0F) + 1
        if position + size > end:
            raise RtpError("RTP header extension element is truncated")
        if tag >> 4 == wanted:
            return bytes(data[position : position + size])
        position += size
    return None


def _two_byte_extension(data: Buffer, header: RtpHeader, wanted: int) -> bytes | None:
    position, end = header.extension_start, header.extension_end
    while position < end:
        if data[position] == 0:
            position += 1
            continue
        value = position + 2
        if value > end or value + data[position + 1] > end:
            raise RtpError("RTP header extension element is truncated")
        if data[position] == wanted:
            return bytes(data[value : value + data[position + 1]])
        position = value + data[position + 1]
    return None


def extension_u16(data: Buffer, header: RtpHeader, extension_id: int) -> int | None:
    """A 16-bit extension such as the transport-wide sequence number; None when absent or of another length."""
    value = extension(data, header, extension_id)
    return int.from_bytes(value, "big") if value is not None and len(value) == 2 else None


def wrap_rtx(packet: bytes, *, payload_type: int, sequence: int, ssrc: int, original: int | None = None) -> bytes:
    """Make a retransmission (RFC 4588 section 4) of a packet with a 12-byte header; its padding is left out.

    `original` is the sequence number under which the receiver misses the packet, by default the packet's own.
    """
    _, second, number, timestamp, _ = _HEADER.unpack_from(packet)
    fixed = _HEADER.pack(_VERSION, second & 0x80 | payload_type, sequence, timestamp, ssrc)
    body = packet[HEADER_SIZE : size_without_padding(packet)]
    return fixed + _U16.pack(number if original is None else original) + body
