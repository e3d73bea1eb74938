"""Whether to wait a moment for the rest of a picture that has begun to come.

Nobody can show a part of a picture, and its packets leave for much less together. On many paths they come back to back,
or nearly; where they do not, waiting would only be a second wake-up for each.
"""

import math

HOLD = 0.003  # seconds that the first packets of a picture wait for the others
MAX_FRUITLESS_HOLDS = 2  # waits in a row for nothing, after which there is a pause
PAUSE = 1.0  # seconds


class FrameHold:
    """`now` is in seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._in_vain = 0
        self._paused_until = -math.inf

    def until(self, now: float) -> float:
        """Until when to wait for the rest of a picture that came in part; `now`: not at all."""
        return now if now < self._paused_until else now + HOLD

    def waited(self, now: float, *, came: bool) -> None:
        """A wait is over; has anything come in it?"""
        self._in_vain = 0 if came else self._in_vain + 1
        if self._in_vain == MAX_FRUITLESS_HOLDS:
            self._in_vain = 0
            self._paused_until = now + PAUSE
