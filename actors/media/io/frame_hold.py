"""Whether to wait a moment for the rest of a picture that has begun to come.

No viewer can show part of a picture, and its packets cost much less to send together. On many paths they come almost
back to back; where they do not, waiting would only add a wake-up for each.
"""

import math

HOLD = 0.003  # seconds that the first packets of a picture wait for the others
MAX_FRUITLESS_HOLDS = 2  # fruitless waits in a row, after which there is a pause
PAUSE = 1.0  # seconds


class FrameHold:
    """`now` is in seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._fruitless = 0
        self._paused_until = -math.inf

    def until(self, now: float) -> float:
        """When to stop waiting for the rest of a partly received picture; `now`: do not wait."""
        return now if now < self._paused_until else now + HOLD

    def waited(self, now: float, *, came: bool) -> None:
        """A wait is over; `came`: something arrived during it."""
        self._fruitless = 0 if came else self._fruitless + 1
        if self._fruitless == MAX_FRUITLESS_HOLDS:
            self._fruitless = 0
            self._paused_until = now + PAUSE
