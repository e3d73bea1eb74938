"""How often and when a hook that was not received is sent again."""

FIRST_PAUSE = 0.1
"""Seconds before the second retry. The first is sent at once; each later one waits twice as long."""
LONGEST_PAUSE = 2.0


class Retries:
    """The retries that one call has left."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._pause = 0.0

    def next_pause(self) -> float | None:
        """Seconds to wait before the next retry; None if there is none left."""
        if not self._left:
            return None
        self._left -= 1
        pause = self._pause
        self._pause = min(max(FIRST_PAUSE, pause * 2), LONGEST_PAUSE)
        return pause
