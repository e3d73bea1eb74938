"""How fast an address may guess passwords: a few failures are free, then it has to wait, twice as long each time.

By address, not by user: a lock on a user's name would let anybody lock the operator out. The time is passed in, in
seconds of any monotonic clock.
"""

from attrs import define

FREE_FAILURES = 5
LONGEST_WAIT = 60.0
"""Seconds."""
FORGET_AFTER = 900.0
"""Seconds after the last failure."""
MAX_ADDRESSES = 4096


@define
class _Failures:
    count: int
    last: float

    def wait(self, now: float) -> float:
        """Seconds until another attempt is allowed."""
        excess = self.count - FREE_FAILURES
        pause = 0.0 if excess < 0 else min(LONGEST_WAIT, 2.0 ** min(excess, 10))
        return max(0.0, self.last + pause - now)


class Throttle:
    """The failures of each address. Beyond MAX_ADDRESSES, the one whose last failure is oldest is forgotten."""

    def __init__(self) -> None:
        self._failures: dict[str, _Failures] = {}  # the oldest failure first

    def __len__(self) -> int:
        return len(self._failures)

    def wait(self, address: str, now: float) -> float:
        """Seconds that the address has to wait before its next attempt; 0: it may try now."""
        known = self._current(address, now)
        return 0.0 if known is None else known.wait(now)

    def fail(self, address: str, now: float) -> None:
        """An attempt from the address has failed."""
        known = self._current(address, now)
        self._failures.pop(address, None)
        if len(self._failures) >= MAX_ADDRESSES:
            del self._failures[next(iter(self._failures))]
        self._failures[address] = _Failures(1 if known is None else known.count + 1, now)

    def succeed(self, address: str) -> None:
        """Somebody has logged in from the address: its failures were mistyped passwords."""
        self._failures.pop(address, None)

    def _current(self, address: str, now: float) -> _Failures | None:
        known = self._failures.get(address)
        return None if known is None or now - known.last > FORGET_AFTER else known
