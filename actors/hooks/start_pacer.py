"""Where the calls to one backend host begin, so that however many there are, other work gets its turn between them.

All calls share one loop, and in each pass it runs whatever can go on. A hundred calls that begin in one pass are
answered, or time out, in one too; a call to another host, which takes about six passes, then waits for six hundred
steps. So in a crowd one call begins in a pass. That makes each a quarter dearer, for answers no longer come in batches:
a host whose calls are few and far between has nothing to do with it.
"""

import math
from collections import deque

import trio

BURST = 4
"""More calls than this within `BURST_WINDOW` are a crowd."""
BURST_WINDOW = 0.001
"""Seconds."""
FAILING_PAUSE = 0.001
"""Seconds between the beginnings of calls to a host whose last one failed. What fails at once is tried again at once,
by every session; this bounds what that costs."""


class StartPacer:
    """Calls pass it before they begin, first come, first served."""

    def __init__(self) -> None:
        self.is_failing = False
        """Whether the last call failed. Whoever makes the calls keeps it true."""
        self._line = trio.StrictFIFOLock()
        self._passed: deque[float] = deque([-math.inf] * BURST, maxlen=BURST)

    @property
    def waiting(self) -> int:
        """How many calls have not begun yet."""
        line = self._line.statistics()
        return line.tasks_waiting + line.locked

    async def enter(self, *, in_batch: bool = False) -> None:
        """Wait for the turn to begin. Calls `in_batch` are no crowd: their number at a time is bounded elsewhere."""
        if self.is_failing or not (in_batch or self._is_calm()):
            async with self._line:  # whoever finds it free holds it until the next pass
                if self.is_failing:
                    await trio.sleep(FAILING_PAUSE)

    def _is_calm(self) -> bool:
        now = trio.current_time()
        is_calm = now - self._passed[0] > BURST_WINDOW and not self._line.locked()
        self._passed.append(now)
        return is_calm
