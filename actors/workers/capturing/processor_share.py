"""How much of the processors a capture takes: its process tells from time to time what it has used so far."""

import os
from collections.abc import Mapping
from typing import Any, Final

COPIED: Final = 0.04
"""Cores that a capture is taken to use until its process has told twice."""
TRANSCODED: Final = 0.3
"""The same for one that encodes pictures anew."""


def usable_cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0))


class ProcessorShare:
    """`cores`: what a process uses, as a number of cores."""

    def __init__(self) -> None:
        self.cores = COPIED
        self._told: tuple[float, int] | None = None

    def expect_transcoding(self) -> None:
        """It encodes pictures anew."""
        self.cores = max(self.cores, TRANSCODED)

    def take(self, figures: Mapping[str, Any], now: float) -> None:
        """`cpu_ms` of its figures, at `now` in seconds."""
        used = figures.get("cpu_ms")
        if not isinstance(used, int):
            return
        if self._told is not None and now > self._told[0]:
            self.cores = (used - self._told[1]) / 1000 / (now - self._told[0])
        self._told = now, used
