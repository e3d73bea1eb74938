"""A thread writes lines, so that code that logs never waits for the reader of the log.

A pipe whose reader has stopped, a paused terminal, a slow disk: `write(2)` blocks on all of them, and on the loop's
thread that would stop all media. So lines are queued, up to a bound, and one thread writes them. What does not fit is
dropped and counted, and the count is written once there is room again.
"""

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Protocol

THREAD_NAME = "wcsd log"
"""The thread's name in the system."""
QUEUE_SIZE = 8 * 1024 * 1024
"""Bytes that may be queued."""
LINE_OVERHEAD = 100
"""Bytes that a queued line costs besides its text."""
BATCH_SIZE = 64 * 1024
TELL_INTERVAL = 1.0
"""Seconds between two reports of lost lines while more are being lost."""


class Output(Protocol):
    """Where lines go. Called by the writer's thread alone."""

    def write(self, data: bytes, /) -> bool:
        """Write some lines whole, waiting as long as it takes; False if they cannot be written."""


class LineWriter:
    """A stream for whole lines. `write` never waits and never fails.

    `loss_line` makes the line that tells how many were lost, with its line end. `name`: of the thread.
    """

    def __init__(
        self,
        output: Output,
        *,
        loss_line: Callable[[int], str],
        queue_size: int = QUEUE_SIZE,
        name: str = THREAD_NAME,
    ) -> None:
        self._output = output
        self._name = name
        self._loss_line = loss_line
        self._queue_size = queue_size
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()  # its put is safe even inside a garbage collection
        # Each counter has one writer: those who log hold the handler's lock, and there is only one thread.
        self._accepted = self._refused = 0
        self._taken = self._failed = self._told = 0
        self._told_at = -TELL_INTERVAL
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """Lines that were dropped, since the start: there was no room, or they could not be written."""
        return self._refused + self._failed

    def write(self, text: str) -> int:
        """Queue a line, which includes its end; drop it where no room is left."""
        line = text.encode(errors="backslashreplace")
        size = len(line) + LINE_OVERHEAD
        if self._accepted - self._taken + size > self._queue_size:
            self._refused += 1
        else:
            self._accepted += size
            self._lines.put(line)
        return len(text)

    def flush(self) -> None:
        """Nothing to do: the thread already has every line."""

    def close(self, timeout: float) -> bool:
        """Wait until everything is written, for `timeout` seconds at most; whether it is. Later lines are lost."""
        self._lines.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    # -- the thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        _name_this_thread(self._name)
        is_open = True
        while is_open:
            batch, is_open = self._next_batch()
            written = self._output.write(b"".join(batch)) if batch else True
            self._taken += sum(map(_cost, batch))
            if written:
                self._tell_loss()
            else:
                self._failed += len(batch)

    def _next_batch(self) -> tuple[list[bytes], bool]:
        """Wait for a line and take what has come with it; False once the end has come."""
        batch: list[bytes] = []
        size = 0
        with contextlib.suppress(Empty):
            while size < BATCH_SIZE:
                line = self._lines.get() if not batch else self._lines.get_nowait()
                if line is None:
                    return batch, False
                batch.append(line)
                size += len(line)
        return batch, True

    def _tell_loss(self) -> None:
        """Report lost lines once the queue is empty, and at intervals while it never is."""
        lost, now = self.lost, time.monotonic()
        is_due = self._lines.empty() or now - self._told_at >= TELL_INTERVAL
        if lost > self._told and is_due and self._output.write(self._loss_line(lost - self._told).encode()):
            self._told, self._told_at = lost, now


class DescriptorOutput:
    """Writes to an open descriptor, such as standard error."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> bool:
        """As `Output.write`: False without a reader, or on a full disk, which may pass."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # another process has made the shared descriptor non-blocking
                _wait_until_writable(self._descriptor)
            except OSError:
                return False
        return True


def _cost(line: bytes) -> int:
    return len(line) + LINE_OVERHEAD


def _wait_until_writable(descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    poll.poll()


def _name_this_thread(name: str) -> None:
    """Tell the system the name, which Python does only from 3.14 on."""
    with contextlib.suppress(OSError):
        Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(name)
