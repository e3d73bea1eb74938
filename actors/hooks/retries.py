"""How often and when a hook that was not received is sent again."""

from protocol.common.growing_pause import GrowingPause

FIRST_PAUSE = 0.1
"""Seconds before the second retry. The first is sent at once; each later one waits twice as long."""
LONGEST_PAUSE = 2.0


class Retries:
    """The retries that one call has left."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._is_first = True
        self._pause = GrowingPause(FIRST_PAUSE, LONGEST_PAUSE)

    def next_pause(self) -> float | None:
        """Seconds to wait before the next retry; None if there is none left."""
        if not self._left:
            return None
        self._left -= 1
        if self._is_first:
            self._is_first = False
            return 0.0
        return self._pause.next()
