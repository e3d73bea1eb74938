"""The server's own clock on one that a test moves, so that it can let the event loop stand still."""

import threading
import time
from collections.abc import Awaitable, Callable

import trio
import trio.testing

from actors.runtime.loop_clock import MOST_COUNTED, LoopClock

PATIENCE = 60.0
"""Seconds by a real clock, after which a test that waits for something in vain is ended: its own clock stands still."""


class Hands:
    """Stands for the system's clock."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def stand_still(self, seconds: float) -> None:
        """Time in which the loop does not run."""
        self.now += seconds

    async def pass_time(self, seconds: float) -> None:
        """Time in which it goes on."""
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + MOST_COUNTED / 2)
            await trio.testing.wait_all_tasks_blocked()


class RunningHands(Hands):
    """Time goes on by itself as well, for what takes some: a whole server. Nothing in it need have a short timeout."""

    def __call__(self) -> float:
        return time.monotonic() + self.now


def run(main: Callable[[Hands], Awaitable[None]], hands: Hands | None = None, *, patience: float = PATIENCE) -> None:
    """Run it on such a clock. Raises TooSlowError."""
    hands = hands or Hands()
    trio.run(_in_time, main, hands, patience, clock=LoopClock(hands))


async def _in_time(main: Callable[[Hands], Awaitable[None]], hands: Hands, patience: float) -> None:
    with trio.CancelScope() as scope:
        timer = threading.Timer(patience, trio.lowlevel.current_trio_token().run_sync_soon, [scope.cancel])
        timer.start()
        try:
            await main(hands)
        finally:
            timer.cancel()
    if scope.cancelled_caught:
        raise trio.TooSlowError
