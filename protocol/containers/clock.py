"""When a frame was taken: RTP timestamps on one clock for all tracks of a publication.

Sender reports give the publisher's wall clock (NTP) at a timestamp of each track. The first one of any track says how
far that clock is from the plane's; it is a constant, so that sound and picture keep the publisher's own alignment.
"""

from typing import Final

FAR_OFF: Final = 10.0
"""Seconds that a frame may be apart from its arrival; beyond, its arrival counts. This bounds what can be claimed."""
STEPPED: Final = 5.0
"""Seconds by which a report may deviate: beyond, the publisher's clock was set, and the report is useless."""
SMALLEST_STEP: Final = 0.001
"""Seconds between two frames of a track in a file, at the least."""


class PublisherClock:
    """The publisher's clock against the plane's, as the first report has it."""

    def __init__(self) -> None:
        self._offset: float | None = None

    def to_plane(self, ntp: int, now: float) -> float | None:
        """A moment of the publisher's clock (64 bits of NTP), told at `now`, in seconds of the plane's clock."""
        seconds = ntp / (1 << 32)
        if self._offset is None:
            self._offset = seconds - now
        moment = seconds - self._offset
        return moment if abs(moment - now) <= STEPPED else None


class TrackClock:
    """The clock of one track with `rate` ticks per second."""

    def __init__(self, rate: int, publisher: PublisherClock) -> None:
        self.is_synchronized = False
        """Whether a sender report has come."""
        self._rate = rate
        self._publisher = publisher
        self._anchor: tuple[float, int] | None = None  # a moment, and the timestamp that it had
        self._last = -1.0

    def report(self, ntp: int, timestamp: int, now: float) -> None:
        """A sender report that came at `now`."""
        moment = self._publisher.to_plane(ntp, now)
        if moment is not None:
            self._anchor = moment, timestamp
            self.is_synchronized = True

    def time(self, timestamp: int, arrival: float) -> float:
        """When a frame was taken, in seconds of the plane's clock; later than the frame before."""
        moment = arrival
        if self._anchor is not None:
            moment = self._anchor[0] + _ticks(timestamp - self._anchor[1]) / self._rate
            if abs(moment - arrival) > FAR_OFF:
                moment = arrival
        self._anchor = moment, timestamp
        self._last = max(moment, self._last + SMALLEST_STEP)
        return self._last


def _ticks(difference: int) -> int:
    """A difference of timestamps on the 32-bit circle, with its sign."""
    return (difference + 0x80000000 & 0xFFFFFFFF) - 0x80000000
