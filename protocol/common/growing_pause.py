"""Pauses between attempts that fail: each is twice as long as the one before, up to a longest one."""

import math


class GrowingPause:
    """`first` and `longest`: seconds."""

    def __init__(self, first: float, longest: float = math.inf) -> None:
        self._first, self._longest = min(first, longest), longest
        self._next = self._first

    def next(self) -> float:
        """Seconds until the next attempt."""
        pause = self._next
        self._next = min(pause * 2, self._longest)
        return pause

    def reset(self) -> None:
        """An attempt has succeeded: the next pause is the first one again."""
        self._next = self._first
