"""RTCP: facts out of bytes, bytes out of facts, checked against aiortc and against hostile bytes."""

import random

import pytest
from aiortc import rtp as reference
from hypothesis import given
from hypothesis import strategies as st

from protocol.webrtc.rtcp import (
    MAX_LOST,
    MAX_PACKETS,
    BitrateEstimate,
    Bye,
    FullIntraRequest,
    Nack,
    PictureLoss,
    ReceiverReport,
    ReportBlock,
    RtcpError,
    RtcpPacket,
    SenderReport,
    TransportFeedback,
    build_fir,
    build_nack,
    build_pli,
    build_receiver_report,
    build_remb,
    build_sdes,
    build_sender_report,
    forward_sender_report,
    parse_compound,
)
from protocol.webrtc.twcc import TwccRecorder

u8 = st.integers(0, 0xFF)
u32 = st.integers(0, 0xFFFFFFFF)
blocks = st.builds(
    ReportBlock,
    ssrc=u32,
    fraction_lost=u8,
    packets_lost=st.integers(-(1 << 23), (1 << 23) - 1),
    highest_sequence=u32,
    jitter=u32,
    lsr=u32,
    dlsr=u32,
)
reports = st.lists(blocks, max_size=31).map(tuple)
sender_reports = st.builds(
    SenderReport,
    ssrc=u32,
    ntp_timestamp=st.integers(0, 2**64 - 1),
    rtp_timestamp=u32,
    packet_count=u32,
    octet_count=u32,
    reports=reports,
)

BLOCK = ReportBlock(ssrc=9, fraction_lost=1, packets_lost=-2, highest_sequence=3, jitter=4, lsr=5, dlsr=6)
REPORT = SenderReport(ssrc=1, ntp_timestamp=0x0123456789ABCDEF, rtp_timestamp=2, packet_count=3, octet_count=4)


def only(data: bytes) -> RtcpPacket:
    (packet,) = parse_compound(data)
    return packet


class TestReports:
    @given(sender_reports)
    def test_sender_report(self, report: SenderReport) -> None:
        assert only(build_sender_report(report)) == report

    @given(u32, reports)
    def test_receiver_report(self, ssrc: int, found: tuple[ReportBlock, ...]) -> None:
        assert only(build_receiver_report(ssrc, found)) == ReceiverReport(ssrc=ssrc, reports=found)

    def test_a_forwarded_report_keeps_the_clocks(self) -> None:
        report = only(forward_sender_report(REPORT, ssrc=77, packet_count=(1 << 32) + 5, octet_count=6))
        assert report == SenderReport(
            ssrc=77, ntp_timestamp=REPORT.ntp_timestamp, rtp_timestamp=2, packet_count=5, octet_count=6
        )

    def test_lsr_is_the_middle_of_the_ntp_time(self) -> None:
        assert REPORT.lsr == 0x456789AB

    def test_values_out_of_range_are_clamped_or_cut(self) -> None:
        block = ReportBlock(ssrc=1, fraction_lost=255, packets_lost=1 << 30, highest_sequence=(1 << 32) + 1, jitter=0)
        report = only(build_receiver_report(1, [block]))
        assert isinstance(report, ReceiverReport)
        assert (report.reports[0].packets_lost, report.reports[0].highest_sequence) == ((1 << 23) - 1, 1)

    def test_a_profile_may_add_to_a_report(self) -> None:
        for data in (build_sender_report(REPORT), build_receiver_report(1, [BLOCK])):
            extended = data[:3] + bytes((data[3] + 1,)) + data[4:] + b"more"
            assert parse_compound(extended) == parse_compound(data)

    def test_at_most_31_blocks(self) -> None:
        with pytest.raises(ValueError, match="31"):
            build_receiver_report(1, [BLOCK] * 32)


class TestFeedback:
    @given(u32, u32, st.integers(0, 0xFFFF), st.lists(st.integers(1, 40), max_size=200))
    def test_nack(self, sender: int, source: int, first: int, steps: list[int]) -> None:
        numbers = [first]
        for step in steps:
            numbers.append((numbers[-1] + step) & 0xFFFF)
        data = build_nack(sender, source, numbers)
        assert only(data) == Nack(sender_ssrc=sender, media_ssrc=source, lost=tuple(numbers))
        assert len(data) == 12 + 4 * len(reference_pairs(numbers))

    def test_a_mask_that_wraps(self) -> None:
        packet = only(reference.pack_rtcp_packet(205, 1, bytes(8) + b"\xff\xff\x00\x03"))
        assert packet == Nack(sender_ssrc=0, media_ssrc=0, lost=(0xFFFF, 0, 1))

    def test_a_nack_that_is_too_long_is_cut(self) -> None:
        data = build_nack(1, 2, range(0, 60_000, 100))
        assert len(data) < 1200
        packet = only(data)
        assert isinstance(packet, Nack)
        assert packet.lost == tuple(range(0, 25_000, 100))

    def test_lost_numbers_of_one_datagram_are_bounded(self) -> None:
        greedy = reference.pack_rtcp_packet(205, 1, bytes(8) + b"\x00\x01\xff\xff" * 100)
        lost = [packet.lost for packet in parse_compound(greedy * 3) if isinstance(packet, Nack)]
        assert [len(numbers) for numbers in lost] == [MAX_LOST, 0, 0]

    def test_picture_loss(self) -> None:
        assert only(build_pli(1, 2)) == PictureLoss(sender_ssrc=1, media_ssrc=2)

    def test_full_intra_request(self) -> None:
        assert only(build_fir(1, 2, 259)) == FullIntraRequest(sender_ssrc=1, entries=((2, 3),))

    @given(u32, st.integers(0, (1 << 18) - 1), st.integers(0, 40), st.lists(u32, max_size=8))
    def test_bitrate_estimate(self, sender: int, mantissa: int, exponent: int, ssrcs: list[int]) -> None:
        estimate = BitrateEstimate(sender_ssrc=sender, bitrate=mantissa << exponent, ssrcs=tuple(ssrcs))
        assert only(build_remb(sender, mantissa << exponent, ssrcs)) == estimate

    def test_transport_feedback_is_no_nack(self) -> None:
        recorder = TwccRecorder()
        recorder.record(1, 0)
        data = recorder.build_feedback(sender_ssrc=1, media_ssrc=2)
        assert data is not None
        packet = only(data)
        assert isinstance(packet, TransportFeedback)
        assert (packet.sender_ssrc, packet.media_ssrc, packet.fci[:4]) == (1, 2, b"\x00\x01\x00\x01")

    @pytest.mark.parametrize(("kind", "fmt"), [(205, 2), (205, 31), (206, 2), (206, 31), (206, 15)])
    def test_unknown_feedback_is_passed_over(self, kind: int, fmt: int) -> None:
        assert parse_compound(reference.pack_rtcp_packet(kind, fmt, bytes(16))) == ()


def reference_pairs(numbers: list[int]) -> list[int]:
    """The packet numbers that begin a pair, each covering the sixteen after it."""
    starts: list[int] = []
    for number in numbers:
        if not starts or (number - starts[-1]) & 0xFFFF > 16:
            starts.append(number)
    return starts


class TestCompound:
    def test_packets_come_in_order_and_others_are_passed_over(self) -> None:
        application = reference.pack_rtcp_packet(204, 0, b"\x00\x00\x00\x01name")
        extended = reference.pack_rtcp_packet(207, 0, bytes(4))
        data = b"".join(
            (
                build_sender_report(REPORT),
                build_sdes(1, "cname"),
                application,
                extended,
                build_pli(1, 2),
                bytes(reference.RtcpByePacket([1, 2])),
            )
        )
        assert parse_compound(data) == (REPORT, PictureLoss(sender_ssrc=1, media_ssrc=2), Bye(ssrcs=(1, 2)))

    def test_source_description(self) -> None:
        (packet,) = reference.RtcpPacket.parse(build_sdes(7, "a name"))
        assert packet == reference.RtcpSdesPacket([reference.RtcpSourceInfo(7, [(1, b"a name")])])

    def test_padding(self) -> None:
        data = build_pli(1, 2)
        padded = bytes((data[0] | 0x20,)) + data[1:3] + bytes((data[3] + 1,)) + data[4:] + b"\0\0\0\x04"
        assert parse_compound(padded) == parse_compound(data)

    def test_packets_of_one_datagram_are_bounded(self) -> None:
        assert len(parse_compound(bytes(reference.RtcpByePacket([])) * (MAX_PACKETS + 5))) == MAX_PACKETS

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\x80\xc9\x00",
            b"\x80\xc9\x00\x02" + bytes(4),  # ends too early
            b"\x40\xc9\x00\x01" + bytes(4),  # version 1
            b"\x81\xc9\x00\x01" + bytes(4),  # a block is missing
            b"\x80\xc8\x00\x01" + bytes(4),  # a sender report without a sender
            b"\x82\xcb\x00\x01" + bytes(4),  # goodbye of two, one is named
            b"\x81\xcd\x00\x01" + bytes(4),  # NACK without a source
            b"\x8f\xcd\x00\x01" + bytes(4),  # transport feedback without a source
            b"\x81\xce\x00\x01" + bytes(4),  # PLI without a source
            b"\x84\xce\x00\x03" + bytes(12),  # half a FIR entry
            b"\x8f\xce\x00\x03" + bytes(8) + b"REMB",  # REMB without a rate
            b"\x8f\xce\x00\x04" + bytes(8) + b"REMB\x02\x00\x00\x01",  # REMB of two, none is named
            b"\xa0\xc9\x00\x00",  # padding without room
            b"\xa0\xc9\x00\x01\x00\x00\x00\x00",  # padding of none
            b"\xa0\xc9\x00\x01\x00\x00\x00\x05",  # padding over the border
        ],
    )
    def test_malformed(self, data: bytes) -> None:
        with pytest.raises(RtcpError):
            parse_compound(data)

    @given(st.binary(max_size=100))
    def test_any_bytes(self, data: bytes) -> None:
        survives(data)

    @given(st.integers(192, 210), st.integers(0, 31), st.binary(max_size=60).map(lambda raw: raw[: len(raw) // 4 * 4]))
    def test_any_packet(self, kind: int, count: int, body: bytes) -> None:
        survives(reference.pack_rtcp_packet(kind, count, body))

    def test_seeded_mutations(self) -> None:
        dice = random.Random(3550)
        samples = [
            build_sender_report(REPORT) + build_sdes(1, "cname") + build_nack(1, 2, [3, 4, 50]),
            build_receiver_report(1, [BLOCK, BLOCK]) + build_remb(1, 1000, [1, 2]) + build_fir(1, 2, 3),
        ]
        for _ in range(5000):
            data = bytearray(dice.choice(samples))
            for _ in range(dice.randint(1, 5)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            survives(bytes(data[: dice.randrange(len(data) * 2)]))


def survives(data: bytes) -> None:
    try:
        packets = parse_compound(data)
    except RtcpError:
        return
    assert len(packets) <= len(data) // 4
