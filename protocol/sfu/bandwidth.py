"""Bandwidth, as far as a forwarder has a say in it. All rates in bits a second.

Publishers estimate their own by transport-wide feedback; `UplinkEstimate` is for those that cannot. Viewers estimate
theirs and tell us (REMB); nothing can be done about it, for there is one encoding for all, but `Shortage` says when a
viewer ought to be told of it.
"""

import math

START = 1_500_000  # what a publisher may begin with; one that has to climb from its own start takes half a minute
FLOOR = 100_000
HIGH_LOSS, LOW_LOSS = 0.10, 0.02  # as in Google Congestion Control (draft-ietf-rmcat-gcc-02 section 6)
CAUTIOUS_GROWTH = 1.08  # a second, once there was high loss
HEADROOM = 1.5  # how much more than now comes in is believed to fit
_SLACK = 10_000

WINDOW = 1.5  # seconds over which loss is looked at
MEMORY = 2.5  # seconds that such loss counts
PATIENCE = 3.0  # seconds that a shortage lasts before it is worth telling
REPEAT = 10.0  # seconds until it is told again
RELIEF = 1.1  # a shortage is over when so much more than needed is there


class UplinkEstimate:
    """What a publisher without transport-wide feedback is told (REMB); updated once a second, by loss alone."""

    def __init__(self, ceiling: int) -> None:
        self.bitrate = min(START, ceiling)
        self._ceiling = ceiling
        self._was_cut = False

    def update(self, received: float, fraction_lost: float) -> int:
        """Take in the last second: the rate that came, and what part of the packets did not. The new estimate."""
        if fraction_lost > HIGH_LOSS:
            self._was_cut = True
            self.bitrate = max(FLOOR, int(min(self.bitrate, received) * (1 - fraction_lost / 2)))
        elif fraction_lost < LOW_LOSS:
            growth = CAUTIOUS_GROWTH if self._was_cut else HEADROOM
            wanted = min(self.bitrate * growth, received * HEADROOM + _SLACK, self._ceiling)
            self.bitrate = max(self.bitrate, int(wanted))
        return self.bitrate


class ReportedLoss:
    """What part of a track a viewer loses, from its receiver reports.

    The share in a report itself is of no use: browsers report with every NACK, sometimes on three packets.
    """

    def __init__(self) -> None:
        self._before: tuple[float, int, int] | None = None

    def take(self, highest: int, lost: int, now: float) -> float | None:
        """Take in the highest sequence number and all losses so far; when a window ends, the share lost in it."""
        if self._before is None:
            self._before = now, highest, lost
            return None
        since, highest_before, lost_before = self._before
        if now - since < WINDOW:
            return None
        self._before = now, highest, lost
        return max(lost - lost_before, 0) / max((highest - highest_before) & 0xFFFFFFFF, 1)


class Shortage:
    """Whether a viewer has to be told that its path carries less than the stream has.

    An estimate alone proves nothing: browsers begin low, and may take half a minute to believe in what they receive all
    along. But we never send less than the stream has, so a path that is too narrow must lose packets, and what is sent
    again makes that worse. Only what lasts is told; then now and again until it is over.
    """

    def __init__(self) -> None:
        self._tell_at = math.inf
        self._loses_until = -math.inf

    def losing(self, share: float, now: float) -> None:
        """Take in what part of a track the viewer lost lately."""
        if share >= HIGH_LOSS:
            self._loses_until = now + MEMORY

    def update(self, bitrate: float, bandwidth: float, now: float) -> bool:
        """Take in what the stream has and what the viewer estimates. True: tell it now."""
        if bandwidth >= bitrate * RELIEF or now > self._loses_until:
            self._tell_at = math.inf
        elif bandwidth < bitrate:
            if self._tell_at == math.inf:
                self._tell_at = now + PATIENCE
            if now >= self._tell_at:
                self._tell_at = now + REPEAT
                return True
        return False
