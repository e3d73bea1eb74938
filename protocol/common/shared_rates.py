"""A rate for each of many peers, remembered only as long as it matters."""

from collections import OrderedDict

from protocol.common.rate_limit import RateLimit


class RateShares:
    """A `RateLimit` for each key, such as an address. Keys are forgotten once their limit is full again."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._limits: OrderedDict[str, tuple[RateLimit, float]] = OrderedDict()

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._limits)

    def change(self, rate: float, burst: float) -> None:
        """Another rate, for keys that are not remembered now."""
        self._rate, self._burst = rate, burst

    def charge(self, key: str, now: float) -> float:
        """Use one unit of the key's rate. Returns the seconds it should then wait; see `RateLimit.charge`."""
        self._forget(now)
        limit, _ = self._limits.get(key) or (RateLimit(self._rate, self._burst), 0.0)
        wait = limit.charge(now, 1)
        self._limits[key] = (limit, now + wait + self._burst / self._rate)
        self._limits.move_to_end(key)
        return wait

    def _forget(self, now: float) -> None:
        # In the order of their last use, which is roughly that in which they fill up again.
        while self._limits:
            _, full_at = next(iter(self._limits.values()))
            if now < full_at:
                return
            self._limits.popitem(last=False)
