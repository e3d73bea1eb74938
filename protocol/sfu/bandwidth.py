"""Bandwidth estimation, as far as a forwarder can influence it. All rates are in bits per second.

Publishers estimate their own bandwidth from transport-wide feedback; `UplinkEstimate` is for those that cannot.
Viewers send us their estimates (REMB). We cannot act on them, because all viewers share one encoding, but `Shortage`
decides when to tell a viewer about it.
"""

import math

START = 1_500_000  # what a publisher may begin with; climbing from the browser's own start takes half a minute
FLOOR = 100_000
HIGH_LOSS, LOW_LOSS = 0.10, 0.02  # as in Google Congestion Control (draft-ietf-rmcat-gcc-02 section 6)
CAUTIOUS_GROWTH = 1.08  # per second, after high loss
HEADROOM = 1.5  # the path is assumed to carry this much more than currently arrives
_SLACK = 10_000

WINDOW = 1.5  # seconds over which loss is measured
MEMORY = 2.5  # seconds for which such a loss counts
PATIENCE = 3.0  # seconds a shortage must last before it is reported
REPEAT = 10.0  # seconds until it is reported again
RELIEF = 1.1  # a shortage is over when the estimate exceeds the need by this factor


class UplinkEstimate:
    """The REMB value for a publisher without transport-wide feedback; updated once a second, from loss alone."""

    def __init__(self, ceiling: int) -> None:
        self.bitrate = min(START, ceiling)
        self._ceiling = ceiling
        self._was_cut = False

    def update(self, received: float, fraction_lost: float) -> int:
        """Take in the last second: the rate received and the share of packets lost. Returns the new estimate."""
        if fraction_lost > HIGH_LOSS:
            self._was_cut = True
            self.bitrate = max(FLOOR, int(min(self.bitrate, received) * (1 - fraction_lost / 2)))
        elif fraction_lost < LOW_LOSS:
            growth = CAUTIOUS_GROWTH if self._was_cut else HEADROOM
            wanted = min(self.bitrate * growth, received * HEADROOM + _SLACK, self._ceiling)
            self.bitrate = max(self.bitrate, int(wanted))
        return self.bitrate


class ReportedLoss:
    """The share of a track that a viewer loses, from its receiver reports.

    The fraction in a single report is useless: browsers report with every NACK, sometimes on three packets.
    """

    def __init__(self) -> None:
        self._before: tuple[float, int, int] | None = None

    def take(self, highest: int, lost: int, now: float) -> float | None:
        """Take in the highest sequence number and the losses so far. Returns the share lost when a window ends."""
        if self._before is None:
            self._before = now, highest, lost
            return None
        since, highest_before, lost_before = self._before
        if now - since < WINDOW:
            return None
        self._before = now, highest, lost
        return max(lost - lost_before, 0) / max((highest - highest_before) & 0xFFFFFFFF, 1)


class Shortage:
    """Decides when to tell a viewer that its path carries less than the stream's bitrate.

    An estimate alone proves nothing: browsers start low, and may take half a minute to reach the rate they have been
    receiving all along. But we never send less than the stream's bitrate, so a path that is too narrow must lose
    packets, and resends make that worse. A shortage is reported only if it lasts, then repeatedly until it is over.
    """

    def __init__(self) -> None:
        self._tell_at = math.inf
        self._loses_until = -math.inf

    def losing(self, share: float, now: float) -> None:
        """Take in the share of a track that the viewer lost recently."""
        if share >= HIGH_LOSS:
            self._loses_until = now + MEMORY

    def update(self, bitrate: float, bandwidth: float, now: float) -> bool:
        """Take in the stream's bitrate and the viewer's estimate. True: tell the viewer now."""
        if bandwidth >= bitrate * RELIEF or now > self._loses_until:
            self._tell_at = math.inf
        elif bandwidth < bitrate:
            if self._tell_at == math.inf:
                self._tell_at = now + PATIENCE
            if now >= self._tell_at:
                self._tell_at = now + REPEAT
                return True
        return False
