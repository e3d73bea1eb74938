"""What a server's processor time was at each moment of a short work, in a process that leaves it the processors."""

import time
from typing import Final

import trio

REST: Final = 0.5
"""Seconds in which this process does nothing else."""
LOOK: Final = 0.001
"""Seconds between two looks."""


def processor_time(pid: int) -> float:
    """Seconds, user and system together, by the scheduler's own clock of the process (CPUCLOCK_SCHED)."""
    return time.clock_gettime((~pid << 3) | 2)


async def rest_beside(pid: int) -> list[tuple[float, float]]:
    """Hold everything up in this process; meanwhile the times at which the server's processor time was looked at."""
    await trio.sleep(LOOK)  # the request is on its way
    looks = []
    until = time.time() + REST
    while time.time() < until:
        time.sleep(LOOK)  # noqa: ASYNC251 - that is the purpose
        looks.append((time.time(), processor_time(pid)))
    return looks
