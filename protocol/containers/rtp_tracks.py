"""Tap records (`protocol.taps`) made of the packets of a source: the same messages, towards the server.

Times are seconds of the source's clock. It may jump, and every connection begins it anew: what viewers get does not.
"""

from collections.abc import Sequence
from struct import Struct
from typing import Final

from protocol.taps import TrackFormat, report_record, rtp_record
from protocol.webrtc.rtcp import SenderReport

REPORT_INTERVAL: Final = 1.0
"""Seconds between two reports of the clock."""
MAX_STEP: Final = 5.0
"""Seconds by which a source's time may step; it is a jump beyond that."""
_HEADER: Final = Struct("!BBHII")
_EPOCH: Final = 2_208_988_800
"""Seconds from 1900, where NTP begins, to 1970."""


class SourceClock:
    """From the times of a source to those of its tracks, which go on evenly where the source's jump.

    All tracks of a source share one, so that they stay aligned.
    """

    def __init__(self) -> None:
        self._shift = 0.0
        self._newest: float | None = None
        self._came = 0.0
        self._jumps = False

    def begin_again(self) -> None:
        """The next packet goes on where the last one was, whatever its time."""
        self._jumps = self._newest is not None

    def read(self, time: float, now: float) -> float:
        """The time of a packet that says `time`, and comes at `now`."""
        if self._newest is not None and (self._jumps or abs(time + self._shift - self._newest) > MAX_STEP):
            self._jumps = False
            self._shift = self._newest + now - self._came - time
        elif self._newest is None:
            self._shift = now - time
        told = time + self._shift
        if self._newest is None or told > self._newest:
            self._newest, self._came = told, now
        return told


class RtpTrack:
    """Numbers the packets of one track. `offset`: the timestamp at time 0."""

    def __init__(self, number: int, form: TrackFormat, *, offset: int) -> None:
        self._number = number
        self._clock_rate = form.clock_rate
        self._marks = form.is_video  # of sound, the marker means something else (RFC 3551 section 4.1)
        self._sequence = 0
        self._offset = offset
        self._reported: float | None = None

    def records(self, payloads: Sequence[bytes], time: float, wall_time: float) -> list[bytes]:
        """The records of one access unit. `wall_time`: seconds since 1970 that belong to `time`, for reports."""
        timestamp = self._offset + round(time * self._clock_rate) & 0xFFFFFFFF
        found = []
        if payloads and (self._reported is None or not 0 <= time - self._reported < REPORT_INTERVAL):
            self._reported = time
            found.append(report_record(self._number, time, _report(timestamp, wall_time)))
        for index, payload in enumerate(payloads):
            marker = 0x80 if self._marks and index == len(payloads) - 1 else 0
            header = _HEADER.pack(0x80, marker, self._sequence & 0xFFFF, timestamp, 0)
            found.append(rtp_record(self._number, self._sequence, time, header + payload))
            self._sequence += 1
        return found


def _report(timestamp: int, wall_time: float) -> SenderReport:
    ntp = round((wall_time + _EPOCH) * (1 << 32)) & 0xFFFFFFFF_FFFFFFFF
    return SenderReport(ssrc=0, ntp_timestamp=ntp, rtp_timestamp=timestamp, packet_count=0, octet_count=0)
