"""Requests that are repeated until they are answered, and carried out once: what was replied to the latest of them."""

import math
from collections import OrderedDict
from enum import Enum
from typing import Final

MOST_KEPT: Final = 4_000
"""Requests that are remembered; none is repeated for as long as it takes so many others to come."""
MOST_CHARACTERS: Final = 16 * 1024 * 1024
"""Of all replies that are remembered; beyond it the oldest are forgotten, but never the latest."""
ARRIVES_WITHIN: Final = 2.0
"""Seconds that a reply which is not kept may take to arrive: until then it is not made again for one that repeats."""


class Repeat(Enum):
    """A request that is neither new nor to be answered now: it is carried out, or its reply is on its way."""

    UNDER_WAY = "under way"


class DoneOnce:
    """See above. A reply is the texts that it was sent as."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[str, ...] | Repeat] = OrderedDict()
        self._on_their_way: dict[str, float] = {}
        """Of those whose reply is not kept: until when it may arrive."""
        self._size = 0

    def __len__(self) -> int:
        return len(self._known)

    def begin(self, request: str, now: float) -> tuple[str, ...] | Repeat | None:
        """A request of this id has come: None if it is to be carried out, else what became of it."""
        if self._on_their_way.get(request, math.inf) <= now:
            self.not_done(request)
        known = self._known.get(request)
        if known is None:
            self._known[request] = Repeat.UNDER_WAY
            self._trim()
        return known

    def done(self, request: str, reply: tuple[str, ...]) -> None:
        """It has been carried out."""
        if self._known.get(request) is Repeat.UNDER_WAY:
            self._known[request] = reply
            self._size += _length(reply)
            self._trim()

    def sent(self, request: str, now: float) -> None:
        """It has been carried out, and its reply, which is not kept, was sent."""
        if self._known.get(request) is Repeat.UNDER_WAY:
            self._on_their_way[request] = now + ARRIVES_WITHIN

    def not_done(self, request: str) -> None:
        """It has not been carried out: one that is repeated is as good as new."""
        self._on_their_way.pop(request, None)
        self._size -= _length(self._known.pop(request, Repeat.UNDER_WAY))

    def _trim(self) -> None:
        while len(self._known) > MOST_KEPT or (self._size > MOST_CHARACTERS and len(self._known) > 1):
            request, oldest = self._known.popitem(last=False)
            self._on_their_way.pop(request, None)
            self._size -= _length(oldest)


def _length(reply: tuple[str, ...] | Repeat) -> int:
    return 0 if isinstance(reply, Repeat) else sum(len(text) for text in reply)
