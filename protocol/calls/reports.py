"""RTCP of one side of a call: a report on what it sent us and what we sent it, every few seconds (RFC 3550)."""

import math
from collections.abc import Iterable
from typing import Final

from protocol.calls.rewriting import RtpRewriter
from protocol.sfu.reception import Reception
from protocol.webrtc.rtcp import (
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SenderReport,
    build_bye,
    build_receiver_report,
    build_sdes,
    build_sender_report,
)
from protocol.webrtc.rtp import RtpHeader

REPORT_INTERVAL: Final = 5.0
"""Seconds between two reports."""
_NTP_SECOND: Final = 1 << 32


class CallReports:
    """`rewriter` is what is sent to that side. Nothing is due before `start`."""

    def __init__(self, rewriter: RtpRewriter, *, cname: str) -> None:
        self.deadline = math.inf
        """When `build` is due."""
        self.received = 0
        """Packets in all."""
        self.lost_there = 0
        """Of our packets, as the side reports."""
        self.round_trip = 0.0
        """Seconds; 0 unknown."""
        self._rewriter = rewriter
        self._cname = cname
        self._reception: Reception | None = None
        self._ssrc = 0
        self._lost_before = 0
        self._sent_report = (0, 0.0)

    @property
    def lost_here(self) -> int:
        """Packets of that side that never came."""
        return self._lost_before + (self._reception.lost if self._reception else 0)

    def start(self, now: float) -> None:
        """The side is there."""
        if self.deadline == math.inf:
            self.deadline = now + REPORT_INTERVAL

    def heard(self, header: RtpHeader, clock_rate: int, now: float) -> None:
        """A packet of that side has come."""
        reception = self._reception
        if reception is None or header.ssrc != self._ssrc:
            self._lost_before = self.lost_here
            reception = self._reception = Reception(clock_rate)
            self._ssrc = header.ssrc
        number = reception.extend(header.sequence)
        if number > reception.highest:
            reception.advance(number, header.timestamp, now)
        reception.received += 1
        self.received += 1

    def take(self, packets: Iterable[RtcpPacket], now: float) -> None:
        """RTCP of that side has come."""
        for packet in packets:
            if isinstance(packet, SenderReport) and self._reception and packet.ssrc == self._ssrc:
                self._reception.take_sender_report(packet, now)
            if isinstance(packet, SenderReport | ReceiverReport):
                for block in packet.reports:
                    self._take_block(block, now)

    def build(self, now: float, clock_rate: int) -> bytes:
        """A compound: a report and our name. `clock_rate` is that of what is sent."""
        self.deadline = now + REPORT_INTERVAL
        blocks = self._blocks(now)
        if not self._rewriter.packets:
            return build_receiver_report(self._rewriter.ssrc, blocks) + self._name
        report = SenderReport(
            ssrc=self._rewriter.ssrc,
            ntp_timestamp=int(now * _NTP_SECOND) & 0xFFFF_FFFF_FFFF_FFFF,
            rtp_timestamp=self._rewriter.timestamp_at(now, clock_rate),
            packet_count=self._rewriter.packets,
            octet_count=self._rewriter.octets,
            reports=blocks,
        )
        self._sent_report = report.lsr, now
        return build_sender_report(report) + self._name

    def build_last(self, now: float) -> bytes:
        """A compound that ends our SSRC. Nothing is due any more."""
        packet = build_receiver_report(self._rewriter.ssrc, self._blocks(now)) + self._name
        self.deadline = math.inf
        return packet + build_bye(self._rewriter.ssrc)

    @property
    def _name(self) -> bytes:
        return build_sdes(self._rewriter.ssrc, self._cname)

    def _blocks(self, now: float) -> tuple[ReportBlock, ...]:
        block = self._reception.report(self._ssrc, now) if self._reception else None
        return () if block is None else (block,)

    def _take_block(self, block: ReportBlock, now: float) -> None:
        if block.ssrc != self._rewriter.ssrc:
            return
        self.lost_there = max(block.packets_lost, 0)
        lsr, sent_at = self._sent_report
        if block.lsr and block.lsr == lsr:
            self.round_trip = max(now - sent_at - block.dlsr / 65536, 0.0)
