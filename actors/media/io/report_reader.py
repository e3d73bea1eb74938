"""Reading receiver reports when there is time: after media, which has the processor awake, or else a while later."""

from collections.abc import Callable

import trio

from actors.media.io.receiver import MAX_DRAIN, Receiver
from actors.media.statistics import Counters

AT_LEAST = 0.2  # seconds from one look to the next, so that each finds several
AT_MOST = 0.25  # seconds that a report waits where no media comes


class ReportReader:
    """One report socket. `clock` gives seconds."""

    def __init__(self, receiver: Receiver, clock: Callable[[], float], counters: Counters) -> None:
        self._receiver = receiver
        self._clock = clock
        self._counters = counters
        self._taken = 0
        self._next_look = 0.0

    def look(self) -> None:
        """Read what has come, unless the last look was a moment ago and left nothing."""
        now = self._clock()
        if now >= self._next_look:
            count = self._read()
            self._next_look = now + (AT_LEAST if count < MAX_DRAIN else 0.0)

    async def run(self) -> None:
        """Read what nobody has looked for. As long as reports keep coming none of them wakes anybody."""
        while True:
            await self._receiver.wait()
            before = -1
            while before != self._taken:
                before = self._taken
                self._counters.wake_ups += 1
                self._read()
                await trio.sleep(AT_MOST)

    def _read(self) -> int:
        try:
            count = self._receiver.drain()
        except OSError:
            self._counters.receive_errors += 1
            return 0
        self._taken += count
        return count
