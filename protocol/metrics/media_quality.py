"""How well media arrives, and how fast it leaves. Nothing is measured for a single packet.

Most is taken from the receiver reports that are sent and received about once a second for each track (RFC 3550 section
6.4.1); the delay in the server once for each wake-up of the media plane.
"""

import math
from typing import Final

from protocol.metrics.histogram import DELAYS, WAITS, Histogram
from protocol.metrics.labels import DIRECTIONS
from protocol.sfu.rtt import MAX_SAMPLE
from protocol.webrtc.rtcp import ReportBlock

RATIOS: Final = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Shares of packets that are lost; reports give them in steps of 1/256."""


class PathQuality:
    """The paths from all publishers to the server, or from it to all players."""

    def __init__(self) -> None:
        self.round_trips = Histogram(DELAYS)
        """Seconds."""
        self.jitter = Histogram(DELAYS)
        """Seconds; of one report on one track."""
        self.losses = Histogram(RATIOS)
        """The share of packets lost since the report before."""

    def answered(self, seconds: float) -> None:
        """A peer has shown how long a round trip is. More than MAX_SAMPLE comes from a broken clock."""
        if seconds <= MAX_SAMPLE:
            self.round_trips.observe(max(seconds, 0.0))

    def reported(self, block: ReportBlock, clock_rate: int) -> None:
        """A receiver report was made. `clock_rate`: of the track's timestamps, in Hz."""
        self.jitter.observe(min(block.jitter / clock_rate, MAX_SAMPLE))
        self.losses.observe(block.fraction_lost / 256)


class ForwardDelay:
    """How long the oldest packet of each wake-up that forwards some was in the server, the kernel's buffer included."""

    def __init__(self) -> None:
        self.seconds = Histogram(DELAYS)
        self._oldest = math.inf
        self._forwarded = 0

    def came(self, arrival: float) -> None:
        """Datagrams were read, the oldest of which has come at `arrival`."""
        self._oldest = min(self._oldest, arrival)

    def sent(self, now: float, forwarded: int) -> None:
        """All that was read has been sent. `forwarded`: how many packets were forwarded since the start."""
        if forwarded != self._forwarded and self._oldest < math.inf:
            self.seconds.observe(max(now - self._oldest, 0.0))
        self._forwarded, self._oldest = forwarded, math.inf


class MediaQuality:
    """What is measured of all streams together since the start."""

    def __init__(self) -> None:
        self.paths = {way: PathQuality() for way in DIRECTIONS}
        self.forward_delay = ForwardDelay()
        self.key_frame_waits = Histogram(WAITS)
        """Seconds from a player's connection, or from where it had to begin anew, to its first key frame."""
