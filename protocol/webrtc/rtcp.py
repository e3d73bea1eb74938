"""RTCP as an SFU needs it (RFC 3550 section 6, RFC 4585, RFC 5104 section 4.3.1, draft-alvestrand-rmcat-remb-03).

Parsing returns one class per meaning, so that the caller matches on types and never on numbers. Types that an SFU does
not need (SDES, APP) are skipped. Reduced-size packets (RFC 5506) are accepted, and the builders write single packets
that the caller joins as needed. Every viewer sends a few of these packets a second, so this code is kept fast.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from struct import Struct
from typing import TypeAlias

from attrs import evolve, field, frozen

from protocol.common.errors import ProtocolError
from protocol.webrtc import rtcp_xr
from protocol.webrtc.rtcp_xr import ExtendedReport, parse_extended_report

MAX_PACKETS = 64
"""The most packets read from one compound."""
MAX_LOST = 1024
"""The most sequence numbers read from one compound's NACKs: a datagram could request 6000 of them."""
MAX_NACK_PAIRS = 250
"""The most pairs of packet number and bit mask in one built NACK; it stays below 1200 bytes."""

_SR, _RR, _SDES, _BYE, _RTPFB, _PSFB = 200, 201, 202, 203, 205, 206
_NACK, _TRANSPORT_CC = 1, 15
_PLI, _FIR, _APPLICATION = 1, 4, 15
_REMB = b"REMB"
_CNAME = 1
_MAX_COUNT = 31
_MAX_LOST_COUNT = (1 << 23) - 1

_HEADER = Struct("!BBH")
_U32 = Struct("!I")
_SENDER = Struct("!IQIII")
_BLOCK = Struct("!IIIIII")
_SSRCS = Struct("!II")
_PAIR = Struct("!HH")
_FIR_ENTRY = Struct("!IBxxx")


class RtcpError(ProtocolError):
    """The bytes are not RTCP."""


@frozen(kw_only=True)
class ReportBlock:
    """Reception quality of one SSRC (RFC 3550 section 6.4.1).

    fraction_lost: 0 to 255 (256ths) since the last report; packets_lost: in total, 24 bits signed; highest_sequence: 32
    bits extended; jitter: in timestamp units; lsr, dlsr: the last sender report's middle 32 NTP bits and the delay
    since then in 65536ths of a second, both 0 when there was none.
    """

    ssrc: int
    fraction_lost: int
    packets_lost: int
    highest_sequence: int
    jitter: int
    lsr: int = 0
    dlsr: int = 0


@frozen(kw_only=True)
class SenderReport:
    """What a sender reports of its stream; `ntp_timestamp` has 64 bits. The pair of clocks aligns audio and video."""

    ssrc: int
    ntp_timestamp: int
    rtp_timestamp: int
    packet_count: int
    octet_count: int
    reports: tuple[ReportBlock, ...] = ()

    @property
    def lsr(self) -> int:
        """The middle 32 bits of the NTP time, which identify this report in report blocks."""
        return self.ntp_timestamp >> 16 & 0xFFFFFFFF


@frozen(kw_only=True)
class ReceiverReport:
    """What a receiver reports about the streams it receives."""

    ssrc: int
    reports: tuple[ReportBlock, ...] = ()


@frozen(kw_only=True)
class Nack:
    """Sequence numbers that the peer is missing (RFC 4585 section 6.2.1), in the order requested."""

    sender_ssrc: int
    media_ssrc: int
    lost: tuple[int, ...]


@frozen(kw_only=True)
class PictureLoss:
    """PLI: the peer cannot decode until a key frame comes (RFC 4585 section 6.3.1)."""

    sender_ssrc: int
    media_ssrc: int


@frozen(kw_only=True)
class FullIntraRequest:
    """FIR: the peer asks for a key frame of each SSRC; the number changes with each new request (RFC 5104)."""

    sender_ssrc: int
    entries: tuple[tuple[int, int], ...]


@frozen(kw_only=True)
class BitrateEstimate:
    """REMB: the peer believes it can receive `bitrate` bits per second over the given SSRCs together."""

    sender_ssrc: int
    bitrate: int
    ssrcs: tuple[int, ...]


@frozen(kw_only=True)
class TransportFeedback:
    """Transport-wide congestion control feedback, undecoded: we negotiate it as receiver only."""

    sender_ssrc: int
    media_ssrc: int
    fci: bytes = field(repr=False)


@frozen(kw_only=True)
class Bye:
    """The peer ends these SSRCs."""

    ssrcs: tuple[int, ...]


RtcpPacket: TypeAlias = (
    SenderReport
    | ReceiverReport
    | Nack
    | PictureLoss
    | FullIntraRequest
    | BitrateEstimate
    | TransportFeedback
    | Bye
    | ExtendedReport
)


def parse_compound(data: bytes) -> tuple[RtcpPacket, ...]:
    """Read a decrypted datagram. Raises `RtcpError` when any packet in it is malformed; unknown types are skipped.

    Packets beyond `MAX_PACKETS` and lost numbers beyond `MAX_LOST` are left out.
    """
    packets: list[RtcpPacket] = []
    room = MAX_LOST
    try:
        for packet_type, count, body in _split(data):
            parser = _PARSERS.get(packet_type)
            packet = None if parser is None else parser(body, count)
            if isinstance(packet, Nack):
                packet = packet if len(packet.lost) <= room else evolve(packet, lost=packet.lost[:room])
                room -= len(packet.lost)
            if packet is not None:
                packets.append(packet)
    except (ValueError, struct.error) as error:
        raise RtcpError(f"RTCP packet is malformed: {error}") from None
    return tuple(packets)


def _split(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Split a compound into type, count or format, and body without padding. Raises ValueError."""
    position = 0
    for _ in range(MAX_PACKETS):
        if position == len(data) and position:
            return
        if len(data) < position + _HEADER.size:
            raise ValueError("header is truncated")
        first, packet_type, words = _HEADER.unpack_from(data, position)
        start = position + _HEADER.size
        position = start + words * 4
        if first >> 6 != 2 or position > len(data):
            raise ValueError("version or length is wrong")
        end = position - _padding(data, start, position) if first & 0x20 else position
        yield packet_type, first & 0x1F, data[start:end]


def _padding(data: bytes, start: int, end: int) -> int:
    size = data[end - 1]
    if not 0 < size <= end - start:
        raise ValueError("padding is wrong")
    return size


def _sender_report(body: bytes, count: int) -> SenderReport:
    ssrc, ntp_timestamp, rtp_timestamp, packet_count, octet_count = _SENDER.unpack_from(body)
    return SenderReport(
        ssrc=ssrc,
        ntp_timestamp=ntp_timestamp,
        rtp_timestamp=rtp_timestamp,
        packet_count=packet_count,
        octet_count=octet_count,
        reports=_blocks(body, _SENDER.size, count),
    )


def _receiver_report(body: bytes, count: int) -> ReceiverReport:
    return ReceiverReport(ssrc=_U32.unpack_from(body)[0], reports=_blocks(body, _U32.size, count))


def _blocks(body: bytes, offset: int, count: int) -> tuple[ReportBlock, ...]:
    """Read report blocks; profile-specific extensions may follow them (RFC 3550 section 6.4.3)."""
    end = offset + count * _BLOCK.size
    if end > len(body):
        raise ValueError("report block is truncated")
    return tuple(_block(*numbers) for numbers in _BLOCK.iter_unpack(body[offset:end]))


def _block(ssrc: int, loss: int, highest_sequence: int, jitter: int, lsr: int, dlsr: int) -> ReportBlock:
    return ReportBlock(
        ssrc=ssrc,
        fraction_lost=loss >> 24,
        packets_lost=(loss & 0xFFFFFF ^ 0x800000) - 0x800000,  # 24 bits, signed
        highest_sequence=highest_sequence,
        jitter=jitter,
        lsr=lsr,
        dlsr=dlsr,
    )


def _bye(body: bytes, count: int) -> Bye:
    return Bye(ssrcs=struct.unpack_from(f"!{count}I", body))


def _transport_layer(body: bytes, fmt: int) -> Nack | TransportFeedback | None:
    sender_ssrc, media_ssrc = _SSRCS.unpack_from(body)
    fci = body[_SSRCS.size :]
    if fmt == _NACK:
        return Nack(sender_ssrc=sender_ssrc, media_ssrc=media_ssrc, lost=tuple(_lost(fci)))
    if fmt == _TRANSPORT_CC:
        return TransportFeedback(sender_ssrc=sender_ssrc, media_ssrc=media_ssrc, fci=fci)
    return None


def _lost(fci: bytes) -> Iterator[int]:
    """Expand pairs of a lost number and a bit mask of the sixteen after it."""
    for number, mask in _PAIR.iter_unpack(fci):
        yield number
        for bit in range(mask.bit_length()):
            if mask >> bit & 1:
                yield (number + bit + 1) & 0xFFFF


def _payload_specific(body: bytes, fmt: int) -> PictureLoss | FullIntraRequest | BitrateEstimate | None:
    sender_ssrc, media_ssrc = _SSRCS.unpack_from(body)
    fci = body[_SSRCS.size :]
    if fmt == _PLI:
        return PictureLoss(sender_ssrc=sender_ssrc, media_ssrc=media_ssrc)
    if fmt == _FIR:
        return FullIntraRequest(sender_ssrc=sender_ssrc, entries=tuple(_FIR_ENTRY.iter_unpack(fci)))
    if fmt == _APPLICATION and fci.startswith(_REMB):
        (rate,) = _U32.unpack_from(fci, 4)
        bitrate = (rate & 0x3FFFF) << (rate >> 18 & 0x3F)
        return BitrateEstimate(
            sender_ssrc=sender_ssrc, bitrate=bitrate, ssrcs=struct.unpack_from(f"!{rate >> 24}I", fci, 8)
        )
    return None


_PARSERS: dict[int, Callable[[bytes, int], RtcpPacket | None]] = {
    _SR: _sender_report,
    _RR: _receiver_report,
    _BYE: _bye,
    rtcp_xr.PACKET_TYPE: lambda body, _: parse_extended_report(body),
    _RTPFB: _transport_layer,
    _PSFB: _payload_specific,
}


def build_sender_report(report: SenderReport) -> bytes:
    """Write a sender report with at most 31 blocks; counters are taken modulo 2^32."""
    sender = _SENDER.pack(
        report.ssrc,
        report.ntp_timestamp,
        report.rtp_timestamp,
        report.packet_count & 0xFFFFFFFF,
        report.octet_count & 0xFFFFFFFF,
    )
    return _packet(_SR, len(report.reports), sender + b"".join(map(_pack_block, report.reports)))


def forward_sender_report(report: SenderReport, *, ssrc: int, packet_count: int, octet_count: int) -> bytes:
    """Rewrite a publisher's report for a viewer: SSRC and counters are the server's, the two clocks unchanged."""
    own = evolve(report, ssrc=ssrc, packet_count=packet_count, octet_count=octet_count, reports=())
    return build_sender_report(own)


def build_receiver_report(ssrc: int, reports: Sequence[ReportBlock] = ()) -> bytes:
    """Write a receiver report from `ssrc` with at most 31 blocks."""
    return _packet(_RR, len(reports), _U32.pack(ssrc) + b"".join(map(_pack_block, reports)))


def _pack_block(report: ReportBlock) -> bytes:
    lost = max(-_MAX_LOST_COUNT - 1, min(report.packets_lost, _MAX_LOST_COUNT))
    return _BLOCK.pack(
        report.ssrc,
        report.fraction_lost << 24 | lost & 0xFFFFFF,
        report.highest_sequence & 0xFFFFFFFF,
        report.jitter,
        report.lsr,
        report.dlsr,
    )


def build_sdes(ssrc: int, cname: str) -> bytes:
    """Write a source description that gives `ssrc` its canonical name, at most 255 bytes of UTF-8."""
    name = cname.encode()
    body = _U32.pack(ssrc) + bytes((_CNAME, len(name))) + name + b"\0"
    return _packet(_SDES, 1, body + bytes(-len(body) % 4))


def build_bye(ssrc: int) -> bytes:
    """End `ssrc` (RFC 3550 section 6.6)."""
    return _packet(_BYE, 1, _U32.pack(ssrc))


def build_nack(sender_ssrc: int, media_ssrc: int, lost: Iterable[int]) -> bytes:
    """Request lost packets, given as numbers in ascending order, taken modulo 2^16 (a wrap is fine).

    Only the first `MAX_NACK_PAIRS` pairs are written; the rest must wait for the next round.
    """
    pairs: list[tuple[int, int]] = []
    for number in lost:
        ahead = (number - pairs[-1][0] - 1) & 0xFFFF if pairs else 0xFFFF
        if ahead < 16:
            pairs[-1] = (pairs[-1][0], pairs[-1][1] | 1 << ahead)
        elif len(pairs) == MAX_NACK_PAIRS:
            break
        else:
            pairs.append((number & 0xFFFF, 0))
    return _packet(_RTPFB, _NACK, _SSRCS.pack(sender_ssrc, media_ssrc) + b"".join(_PAIR.pack(*pair) for pair in pairs))


def build_pli(sender_ssrc: int, media_ssrc: int) -> bytes:
    """Request a key frame (RFC 4585 section 6.3.1)."""
    return _packet(_PSFB, _PLI, _SSRCS.pack(sender_ssrc, media_ssrc))


def build_fir(sender_ssrc: int, media_ssrc: int, sequence: int) -> bytes:
    """Request a key frame (RFC 5104 section 4.3.1); `sequence` goes up by one, modulo 256, with each new request."""
    return _packet(_PSFB, _FIR, _SSRCS.pack(sender_ssrc, 0) + _FIR_ENTRY.pack(media_ssrc, sequence & 0xFF))


def build_remb(sender_ssrc: int, bitrate: int, ssrcs: Sequence[int]) -> bytes:
    """Tell the sender of `ssrcs` their total bitrate limit in bits per second (below 2^81), to 18 significant bits."""
    exponent = max(0, bitrate.bit_length() - 18)
    rate = _U32.pack(len(ssrcs) << 24 | exponent << 18 | bitrate >> exponent)
    return _packet(_PSFB, _APPLICATION, _SSRCS.pack(sender_ssrc, 0) + _REMB + rate + b"".join(map(_U32.pack, ssrcs)))


def _packet(packet_type: int, count: int, body: bytes) -> bytes:
    if count > _MAX_COUNT:
        raise ValueError("an RTCP packet holds at most 31 entries")
    return _HEADER.pack(0x80 | count, packet_type, len(body) // 4) + body
