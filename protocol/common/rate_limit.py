"""A rate that a peer may not exceed for long.

The moment is passed in, in seconds of any clock that never goes back.
"""

import math


class RateLimit:
    """A token bucket: `rate` units a second for ever, and `burst` at once after a quiet time.

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

    def take(self, now: float, amount: float = 1) -> bool:
        """Use up `amount`, or nothing and False where less than that is left."""
        self._refill(now)
        if amount > self._left:
            return False
        self._left -= amount
        return True

    def charge(self, now: float, amount: float = 1) -> float:
        """Use up `amount` in any case, into debt if need be; for what is spent before its amount is known.

        Returns the seconds until the debt is paid, 0 where there is none: how long the peer should be left alone.
        """
        self._refill(now)
        self._left -= amount
        return max(0.0, -self._left / self._rate)

    def is_full(self, now: float) -> bool:
        """Whether nothing is used up: a new one would be the same."""
        self._refill(now)
        return self._left >= self._burst

    def _refill(self, now: float) -> None:
        if now > self._seen:
            self._left = min(self._burst, self._left + (now - self._seen) * self._rate)
            self._seen = now
