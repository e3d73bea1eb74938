"""The packets of one remote SSRC as they arrive: extended sequence numbers, and the figures for receiver reports.

RFC 3550 appendix A: sequence numbers (A.1), expected and lost packets (A.3), interarrival jitter (A.8).
"""

from protocol.webrtc.rtcp import ReportBlock, SenderReport

CYCLE = 1 << 16  # added to every extended number, so that a packet from before the first one has no negative number


class Reception:
    """One run of sequence numbers: until they jump, or another SSRC takes over.

    Call `advance` for each new highest packet. Count in `received` what came as original packets, and in `repaired`
    what came by retransmission.
    """

    def __init__(self, clock_rate: int) -> None:
        self.highest = -1
        """The extended number of the newest packet; -1 before the first."""
        self.timestamp = -1
        """Of the newest packet; -1 before the first."""
        self.received = 0
        self.repaired = 0
        self._first = -1
        self._jitter = _Jitter(clock_rate)
        self._reported = (0, 0)  # expected, received at the last report
        self._sender_report: tuple[int, float] | None = None  # middle 32 bits of NTP time, arrival

    def extend(self, sequence: int) -> int:
        """The extended number of a 16-bit one: the nearest to the newest."""
        if self.highest < 0:
            return sequence + CYCLE
        ahead = (sequence - self.highest) & 0xFFFF
        return self.highest + ahead - (CYCLE if ahead >= 0x8000 else 0)

    def advance(self, number: int, timestamp: int, now: float) -> None:
        """A packet newer than all others has come."""
        if self.highest < 0:
            self._first = number
        self.highest, self.timestamp = number, timestamp
        self._jitter.update(timestamp, now)

    def take_sender_report(self, report: SenderReport, now: float) -> None:
        """Note when the publisher's sender report came; the next report block refers to it."""
        self._sender_report = report.lsr, now

    @property
    def lost(self) -> int:
        """Packets that never came, not even by retransmission."""
        return max(0, self._expected - self.received - self.repaired)

    def report(self, remote_ssrc: int, now: float) -> ReportBlock | None:
        """The report block for the packets since the last one; None before the first packet.

        What came by RTX counts as lost, as in RFC 4588: a retransmission stream is separate. Publishers control their
        bitrate by this figure, and a path that needs repair is full.
        """
        if self.highest < 0:
            return None
        expected, received = self._expected, self.received
        expected_before, received_before = self._reported
        self._reported = expected, received
        interval_expected = expected - expected_before
        interval_lost = interval_expected - (received - received_before)
        fraction = (interval_lost << 8) // interval_expected if interval_lost > 0 and interval_expected > 0 else 0
        lsr, arrived = self._sender_report or (0, now)
        return ReportBlock(
            ssrc=remote_ssrc,
            fraction_lost=min(fraction, 255),
            packets_lost=max(expected - received, 0),
            highest_sequence=self.highest - CYCLE,
            jitter=self._jitter.value,
            lsr=lsr,
            dlsr=min(max(int((now - arrived) * 65536), 0), 0xFFFFFFFF),
        )

    @property
    def _expected(self) -> int:
        return self.highest - self._first + 1 if self.highest >= 0 else 0


class _Jitter:
    """Interarrival jitter in timestamp units (RFC 3550 A.8)."""

    def __init__(self, clock_rate: int) -> None:
        self._timestamp: int | None = None
        self._clock_rate = clock_rate
        self._estimate = 0.0
        self._came = 0.0

    @property
    def value(self) -> int:
        return min(int(self._estimate), 0xFFFFFFFF)

    def update(self, timestamp: int, now: float) -> None:
        if timestamp == self._timestamp:
            return  # the packets of one picture leave together; only the first shows the path's delay
        if self._timestamp is not None:
            step = ((timestamp - self._timestamp + 0x80000000) & 0xFFFFFFFF) - 0x80000000
            difference = abs((now - self._came) * self._clock_rate - step)
            self._estimate += (difference - self._estimate) / 16
        self._timestamp, self._came = timestamp, now
