"""Memory that a peer may hold: what a JSON value weighs, and how much may be held at a time."""

from collections.abc import Iterable
from itertools import chain
from sys import getsizeof
from typing import Any


def weigh(value: Any) -> int:
    """The memory that a JSON value takes in CPython, in bytes: its containers, keys, texts and numbers.

    An empty list weighs 56 bytes, a number 24 to 32, a text 49 plus its characters. Shared parts count each time they
    occur, so the weight is rather too high. The time grows with the number of elements.
    """
    weight = 0
    level = [value]
    while level:
        weight += sum(map(getsizeof, level))
        level = [child for item in level for child in _children(item)]
    return weight


def _children(item: Any) -> Iterable[Any]:
    if isinstance(item, (list, tuple)):
        return item
    return chain(item, item.values()) if isinstance(item, dict) else ()


class Allowance:
    """An amount of something, usually memory, that may be held at a time; limited by itself and by its `parent`s.

    The first `free` of it is never charged to the parent: a small holder gets it whatever others hold.
    """

    __slots__ = ("_free", "_parent", "limit", "used")

    def __init__(self, limit: float, *, free: float = 0, parent: "Allowance | None" = None) -> None:
        self.used: float = 0
        self.limit = limit
        self._free = free
        self._parent = parent

    def take(self, amount: float) -> bool:
        """Hold `amount` more; or nothing, and return False, if that exceeds the limit here or in a parent."""
        used = self.used + amount
        if used > self.limit:
            return False
        if self._parent is not None and not self._parent.take(self._beyond_free(used) - self._beyond_free(self.used)):
            return False
        self.used = used
        return True

    def give_back(self, amount: float) -> None:
        """Hold `amount` less; giving back more than is held has no effect."""
        used = max(0, self.used - amount)
        if self._parent is not None:
            self._parent.give_back(self._beyond_free(self.used) - self._beyond_free(used))
        self.used = used

    def _beyond_free(self, used: float) -> float:
        return max(0, used - self._free)
