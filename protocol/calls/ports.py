"""Which ports a call may have for plain RTP: an even one, and the next for RTCP (RFC 3550 section 11)."""

from collections import deque
from collections.abc import Callable
from typing import Final

from attrs import field, frozen

QUARANTINE: Final = 2.0
"""Seconds for which a port is left alone after a call: the other side may still send to it."""


@frozen
class PortRange:
    """The even ports from `first` to `last`."""

    first: int
    last: int
    ports: range = field(init=False)

    @ports.default
    def _even(self) -> range:
        return range(self.first + self.first % 2, self.last, 2)


class PortPool:
    """The pairs of a range. `choose(n)` gives a random number from 0 to n - 1."""

    def __init__(self, ports: PortRange, choose: Callable[[int], int]) -> None:
        self._choose = choose
        self._free = list(ports.ports)
        self._resting: deque[tuple[float, int]] = deque()
        self.size = len(self._free)
        """How many pairs there are."""

    @property
    def used(self) -> int:
        """Pairs that calls have, or have had a moment ago."""
        return self.size - len(self._free)

    def take(self, now: float) -> int | None:
        """A pair's even port, at random, so that nobody knows where the next call is; None if there is none."""
        while self._resting and self._resting[0][0] <= now:
            self._free.append(self._resting.popleft()[1])
        if not self._free:
            return None
        place = self._choose(len(self._free))
        self._free[place], self._free[-1] = self._free[-1], self._free[place]
        return self._free.pop()

    def give_back(self, port: int, now: float) -> None:
        """The call is over, or the port could not be had."""
        self._resting.append((now + QUARANTINE, port))
