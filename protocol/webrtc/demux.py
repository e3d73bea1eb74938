"""Demultiplexing of the datagrams on one UDP socket (RFC 7983 section 7, RFC 5761 section 4)."""

import enum


class Datagram(enum.Enum):
    """What a datagram claims to be, by its first two bytes; OTHER is nothing we handle."""

    STUN = enum.auto()
    DTLS = enum.auto()
    RTP = enum.auto()
    RTCP = enum.auto()
    OTHER = enum.auto()

    @classmethod
    def of(cls, data: bytes) -> "Datagram":
        """Classify a datagram by its first two bytes alone."""
        return _BY_FIRST_BYTE[data[0]][data[1] >> 5] if len(data) > 1 else _OTHER


_OTHER = Datagram.OTHER
_RTCP = 0b110  # the upper bits of a second byte from 192 to 223


def _kinds(first: int) -> tuple[Datagram, ...]:
    """Indexed by the three upper bits of the second byte."""
    if 128 <= first < 192:
        return tuple(Datagram.RTCP if second == _RTCP else Datagram.RTP for second in range(8))
    kind = Datagram.STUN if first < 4 else Datagram.DTLS if 20 <= first < 64 else Datagram.OTHER
    return (kind,) * 8


_BY_FIRST_BYTE = tuple(map(_kinds, range(256)))


def ssrc_of(kind: Datagram, data: bytes) -> int | None:
    """The sender's SSRC in an SRTP or SRTCP packet, which is in the clear; None for any other datagram."""
    offset = _SSRC_OFFSETS.get(kind)
    return None if offset is None or len(data) < offset + 4 else int.from_bytes(data[offset : offset + 4])


_SSRC_OFFSETS = {Datagram.RTP: 8, Datagram.RTCP: 4}
