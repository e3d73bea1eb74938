"""What is counted of signalling, in both directions."""

from collections import Counter
from typing import Final

BAD_FRAME: Final = "frame"
FLOOD: Final = "flood"
ORIGIN: Final = "origin"
OVERLOAD: Final = "overload"
PROXY: Final = "proxy"


class FlowCounts:
    """What has gone one way since the start."""

    __slots__ = ("bytes", "frames")

    def __init__(self) -> None:
        self.frames = 0
        self.bytes = 0
        """Characters: nearly all are one byte."""

    def add(self, size: int) -> None:
        """One more frame."""
        self.frames += 1
        self.bytes += size


class RefusalCounts(Counter[str]):
    """How often something was refused, by reason: a constant above, or the setting that is the limit."""

    def note(self, reason: str) -> None:
        self[reason] += 1
