"""RTCP of one side of a call."""

import math

from protocol.calls.reports import REPORT_INTERVAL, CallReports
from protocol.calls.rewriting import RtpRewriter
from protocol.webrtc.rtcp import Bye, ReceiverReport, ReportBlock, SenderReport, parse_compound
from protocol.webrtc.rtp import parse_header
from tests.support.media.rtp_packets import build_header


def reports() -> tuple[CallReports, RtpRewriter]:
    rewriter = RtpRewriter(ssrc=9, sequence=1, timestamp=1)
    return CallReports(rewriter, cname="call"), rewriter


def hear(made: CallReports, *sequences: int, ssrc: int = 7) -> None:
    for sequence in sequences:
        header = parse_header(
            build_header(payload_type=0, marker=False, sequence=sequence, timestamp=160 * sequence, ssrc=ssrc)
        )
        made.heard(header, 8_000, sequence * 0.02)


def test_nothing_is_due_before_the_start() -> None:
    made, _ = reports()
    assert made.deadline == math.inf
    made.start(3.0)
    made.start(4.0)
    assert made.deadline == 3.0 + REPORT_INTERVAL


def test_a_side_that_is_sent_nothing_gets_a_receiver_report() -> None:
    made, _ = reports()
    hear(made, 1, 2, 5)
    (report,) = parse_compound(made.build(1.0, 8_000))
    assert isinstance(report, ReceiverReport)
    assert [(block.ssrc, block.packets_lost) for block in report.reports] == [(7, 2)]
    assert (made.received, made.lost_here) == (3, 2)


def test_another_source_keeps_the_losses_of_the_one_before() -> None:
    made, _ = reports()
    hear(made, 1, 3)
    hear(made, 100, 101, ssrc=8)
    assert (made.received, made.lost_here) == (4, 1)


def test_a_sender_report_counts_and_its_echo_measures() -> None:
    made, rewriter = reports()
    rewriter.insert(b"abc", payload_type=0, clock_rate=8_000, marker=True, timestamp=800, now=1.0)
    (report,) = parse_compound(made.build(2.0, 8_000))
    assert isinstance(report, SenderReport)
    assert (report.ssrc, report.packet_count, report.octet_count, report.rtp_timestamp) == (9, 1, 3, 8_800)
    echo = ReportBlock(
        ssrc=9, fraction_lost=0, packets_lost=4, highest_sequence=1, jitter=0, lsr=report.lsr, dlsr=65_536
    )
    made.take([ReceiverReport(ssrc=7, reports=(echo,))], 3.25)
    assert (made.lost_there, made.round_trip) == (4, 0.25)


def test_the_last_one_says_goodbye() -> None:
    made, _ = reports()
    made.start(0.0)
    assert Bye(ssrcs=(9,)) in parse_compound(made.build_last(1.0))
    assert made.deadline == math.inf
