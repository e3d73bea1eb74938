"""How long the garbage collector holds everything up."""

import gc
import time
from collections.abc import Mapping
from typing import Final

from protocol.metrics.histogram import DELAYS, Histogram

GENERATIONS: Final = ("0", "1", "2")


class GcPauses:
    """Measures the pauses of all collections between `start` and `stop`."""

    def __init__(self) -> None:
        self.seconds: Mapping[str, Histogram] = {each: Histogram(DELAYS) for each in GENERATIONS}
        self._began = 0.0

    def start(self) -> None:
        """Measure from now on."""
        gc.callbacks.append(self._look)

    def stop(self) -> None:
        """Measure no more."""
        gc.callbacks.remove(self._look)

    def _look(self, phase: str, info: Mapping[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self.seconds[str(info["generation"])].observe(time.perf_counter() - self._began)
