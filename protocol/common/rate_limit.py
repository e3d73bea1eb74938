"""A rate that a peer must not exceed for long.

The time is passed in, in seconds of any monotonic clock.
"""

import math


class RateLimit:
    """A token bucket: `rate` units per second sustained, and `burst` at once after a quiet period.

    A unit is whatever the caller counts: frames, packets, bytes, milliseconds. It starts full.
    """

    __slots__ = ("_burst", "_left", "_rate", "_seen")

    def __init__(self, rate: float, burst: float) -> None:
        if not (rate > 0 and burst > 0):
            raise ValueError("rate and burst must be positive")
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._seen = -math.inf

    def change(self, rate: float, burst: float) -> None:
        """Another rate from now on; what is left of the old burst is kept as far as the new one allows."""
        self._rate, self._burst = rate, burst
        self._left = min(self._left, burst)

    def take(self, now: float, amount: float = 1) -> bool:
        """Use `amount`; or nothing, and return False, if less than that is left."""
        self._refill(now)
        if amount > self._left:
            return False
        self._left -= amount
        return True

    def give_back(self, amount: float) -> None:
        """`amount` that was taken has not been used."""
        self._left = min(self._burst, self._left + amount)

    def charge(self, now: float, amount: float = 1) -> float:
        """Use `amount` in any case, going into debt if necessary; for costs that are known only afterwards.

        Returns the seconds until the debt is paid off, 0 if there is none: how long to leave the peer alone.
        """
        self._refill(now)
        self._left -= amount
        return max(0.0, -self._left / self._rate)

    def is_full(self, now: float) -> bool:
        """Whether nothing is used: a new one would be equal."""
        self._refill(now)
        return self._left >= self._burst

    def _refill(self, now: float) -> None:
        if now > self._seen:
            self._left = min(self._burst, self._left + (now - self._seen) * self._rate)
            self._seen = now
