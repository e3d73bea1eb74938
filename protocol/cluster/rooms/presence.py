"""Which other members of the cluster are gone, as rooms want to know it: who is missed in one list may be in the next.

A member that has just started may be heard before a list names it; and when the registry has lost its data, the first
list names nobody. While no list comes at all, nobody is gone.
"""

import math
from collections.abc import Iterable
from typing import Final

PATIENCE: Final = 3.0
"""Seconds that a member may be missing: more than two beats are apart."""


class Presence:
    """See above. Times are seconds of any monotonic clock."""

    def __init__(self) -> None:
        self._listed: frozenset[str] = frozenset()
        self._as_of = 0.0
        self._seen: dict[str, float] = {}

    def beaten(self, members: Iterable[str], now: float, *, is_intact: bool) -> None:
        """These are alive. `is_intact`: false if the registry may have forgotten others."""
        self._listed, self._as_of = frozenset(members), now
        if not is_intact:
            self._seen = dict.fromkeys(self._seen, now)
        self._seen = {each: seen for each, seen in self._seen.items() if now - seen <= PATIENCE}
        self._seen.update(dict.fromkeys(self._listed, now))

    def heard(self, member: str, now: float) -> None:
        """It has just said something."""
        self._seen[member] = now

    def is_gone(self, member: str) -> bool:
        """Whether nobody need wait for it."""
        return member not in self._listed and self._as_of - self._seen.get(member, -math.inf) > PATIENCE
