"""Paces the start of calls to one backend host, so that other work gets its turn however many there are.

All calls share one event loop, and each pass runs everything that is ready. A hundred calls that start in one pass are
also answered, or time out, in one pass; a call to another host takes about six passes and so waits for six hundred
steps. So when calls come in a crowd, only one starts in each pass. That makes each call a quarter more expensive,
because answers no longer come in batches. Hosts that get only occasional calls are not affected.
"""

import math
from collections import deque

import trio

BURST = 4
"""More calls than this within `BURST_WINDOW` are a crowd."""
BURST_WINDOW = 0.001
"""Seconds."""
FAILING_PAUSE = 0.001
"""Seconds between the starts of calls to a host whose last call failed. Calls that fail at once are retried at once by
every session; this bounds the cost."""


class StartPacer:
    """Calls pass through it before they start, first come first served."""

    def __init__(self) -> None:
        self.is_failing = False
        """Whether the last call failed. The caller keeps it up to date."""
        self._line = trio.StrictFIFOLock()
        self._passed: deque[float] = deque([-math.inf] * BURST, maxlen=BURST)

    @property
    def waiting(self) -> int:
        """How many calls have not started yet."""
        line = self._line.statistics()
        return line.tasks_waiting + line.locked

    async def enter(self, *, in_batch: bool = False) -> None:
        """Wait for a turn to start. Calls `in_batch` are no crowd: their concurrency is bounded elsewhere."""
        if self.is_failing or not (in_batch or self._is_calm()):
            async with self._line:  # the call that gets the lock holds it until the next pass
                if self.is_failing:
                    await trio.sleep(FAILING_PAUSE)

    def _is_calm(self) -> bool:
        now = trio.current_time()
        is_calm = now - self._passed[0] > BURST_WINDOW and not self._line.locked()
        self._passed.append(now)
        return is_calm
