"""When a process that has died is started again, and when that is given up."""

from typing import Final

from protocol.common.growing_pause import GrowingPause

FIRST_DELAY: Final = 0.25
"""Seconds before the first start anew; each further one takes twice as long."""
MOST_DEATHS: Final = 6
"""In a row: with the last one of them, it is given up."""
HEALTHY_AFTER: Final = 60.0
"""Seconds after which a process has shown that it can live: its death is the first in a row."""


class Restarts:
    """See above, for one process."""

    def __init__(self) -> None:
        self._deaths = 0
        self._pause = GrowingPause(FIRST_DELAY)

    def died(self, lived: float) -> float | None:
        """It has died after so many seconds: how long to wait before it is started again; None: not any more."""
        if lived >= HEALTHY_AFTER:
            self._deaths = 0
            self._pause.reset()
        self._deaths += 1
        if self._deaths >= MOST_DEATHS:
            return None
        return self._pause.next()
