"""How long the media plane may sleep although packets wait: a wake-up costs as much as ten packets.

While packets are few, each is handled at once. When there are many, wake-ups are spaced so that several packets collect
in between, as with interrupt coalescing in a network card. The interval runs from one wake-up to the next, not from the
end of the work: a busy plane is not delayed further, because it no longer sleeps at all.
"""

import math

START, STOP = 1000.0, 700.0  # packets a second; below, waiting for more packets costs more than it saves
SHORTEST, LONGEST = 0.002, 0.005  # seconds between wake-ups
GROUP = 16  # packets that a wake-up is meant for, within these bounds

_WINDOW = 0.1  # seconds between two measurements
_MEMORY = 0.5  # seconds after which an old rate counts for a third: a single key frame is no busy time


class WakeupCoalescer:
    """`now` and all that it gives is in seconds of one monotonic clock."""

    def __init__(self) -> None:
        self.rate = 0.0
        """Packets a second, as measured."""
        self.interval = 0.0
        """The minimum interval between wake-ups; 0: everything is handled at once."""
        self.rest_until = -math.inf
        """Nothing need be read before this."""
        self._count = 0
        self._measured_at = -math.inf

    def took(self, count: int, woke_at: float, *, is_all: bool) -> None:
        """Since it woke up the plane has taken `count` packets; `is_all` is false when more may be waiting."""
        self._count += count
        if woke_at - self._measured_at >= _WINDOW:
            self._measure(woke_at)
        # After a wake-up that finds nothing, wait for the next packet, not for the clock.
        resting = self.interval and count and is_all
        self.rest_until = woke_at + self.interval if resting else -math.inf

    def _measure(self, now: float) -> None:
        elapsed = now - self._measured_at
        self.rate += (self._count / elapsed - self.rate) * (1 - math.exp(-elapsed / _MEMORY))
        self._count, self._measured_at = 0, now
        if self.rate >= (STOP if self.interval else START):
            self.interval = min(max(GROUP / self.rate, SHORTEST), LONGEST)
        else:
            self.interval = 0.0
