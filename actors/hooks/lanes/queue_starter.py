"""When queues start to run: a few in each pass of the event loop, however many are ready at once.

When a stream with ten thousand viewers ends, ten thousand sessions have a hook to send. Starting all their tasks in one
pass would delay the media by a second.
"""

from collections.abc import Awaitable, Callable

import trio

from actors.hooks.lanes.queue import HookQueue
from actors.runtime.fair_queue import Caller, FairQueue

STARTS_PER_PASS = 16


class QueueStarter:
    """Calls `begin` for each queue, at most `STARTS_PER_PASS` times in a pass, with applications taking turns.

    `spawn` starts the starter's task, which lasts while queues wait.
    """

    def __init__(
        self, begin: Callable[[HookQueue], None], *, spawn: Callable[[Callable[[], Awaitable[None]]], None]
    ) -> None:
        self._begin = begin
        self._spawn = spawn
        self._line: FairQueue[HookQueue] = FairQueue()
        self._left = STARTS_PER_PASS
        self._running = False

    def add(self, caller: Caller, queue: HookQueue) -> None:
        """Start the queue: now, if few have started in this pass."""
        self._line.add(caller, queue)
        self._begin_some()
        if not self._running:
            self._running = True
            self._spawn(self._run)

    async def _run(self) -> None:
        try:
            while self._left < STARTS_PER_PASS:
                await trio.lowlevel.checkpoint()
                self._left = STARTS_PER_PASS
                self._begin_some()
        finally:
            self._running = False

    def _begin_some(self) -> None:
        while self._left and (queue := self._line.take()) is not None:
            self._left -= 1
            self._begin(queue)
