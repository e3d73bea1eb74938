"""The server, with a meter of its event loop's passes: what one pass does, all media waits for.

At SIGWINCH it writes one line of JSON to standard error about the passes since the last one: their number, and the
longest in milliseconds, of the thread's processor time (`cpu`) and of real time (`wall`), in which whatever else the
machine does counts, too. `over` is the sum of what each took beyond `LONG`, of processor time in milliseconds: the time
in which a packet that comes waits for longer than that. `gc` is the longest collection, which is part of some pass.
`tests.bench.web.rest_terminate`, `tests.bench.web.looks` and `tests.bench.endurance.chaos` run it as their server.
"""

import gc
import json
import os
import signal
import sys
import time
from functools import partial
from types import FrameType

import trio

from actors import daemon

LONG = 0.02
"""Seconds."""
MARK = "passes "
"""What its lines begin with."""
ASK = signal.SIGWINCH
"""One of the few signals that mean nothing to a server and are not reported by it."""


class PassMeter(trio.abc.Instrument):
    """Times the passes of trio's loop."""

    def __init__(self) -> None:
        self._number, self._cpu, self._wall, self._over = 0, 0.0, 0.0, 0.0
        self._began = time.thread_time(), time.perf_counter()
        self._collected, self._collecting = 0.0, 0.0
        gc.callbacks.append(self._note_collection)

    def _note_collection(self, phase: str, _facts: dict[str, int]) -> None:
        if phase == "start":
            self._collecting = time.thread_time()
        else:
            self._collected = max(self._collected, time.thread_time() - self._collecting)

    def after_io_wait(self, timeout: float) -> None:
        self._began = time.thread_time(), time.perf_counter()

    def before_io_wait(self, timeout: float) -> None:
        cpu, wall = time.thread_time() - self._began[0], time.perf_counter() - self._began[1]
        self._number += 1
        self._wall = max(self._wall, wall)
        cpu = min(cpu, wall)  # on virtual machines, the thread's clock jumps now and then
        self._cpu = max(self._cpu, cpu)
        self._over += max(0.0, cpu - LONG)

    def longest(self) -> dict[str, float]:
        """Of the passes since the last call, in milliseconds, and their number."""
        found = {"cpu": self._cpu, "wall": self._wall, "gc": self._collected, "over": self._over}
        told = {"number": self._number} | {name: seconds * 1000 for name, seconds in found.items()}
        self._number, self._cpu, self._wall, self._over, self._collected = 0, 0.0, 0.0, 0.0, 0.0
        return told

    def tell(self, _signal: int, _frame: FrameType | None) -> None:
        """Write a line, and start again."""
        self.write(f"{MARK}{json.dumps(self.longest())}\n".encode())

    def write(self, line: bytes) -> None:
        """Where it is read."""
        os.write(2, line)


def main(meter: PassMeter | None = None) -> int:
    """As `actors.daemon.main`."""
    meter = meter or PassMeter()
    signal.signal(ASK, meter.tell)
    vars(trio)["run"] = partial(trio.run, instruments=[meter])
    return daemon.main()


if __name__ == "__main__":
    sys.exit(main())
