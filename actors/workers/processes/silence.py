"""How long a process has reported nothing, and whether that is because it waits for its disk.

Who waits for a disk cannot be helped by a kill: it ends no sooner than the disk answers, and whoever took its place
would wait as well. So it is left alone, and goes on as if nothing had been.
"""

from pathlib import Path
from typing import Final

import trio

WAITS_FOR_DISK: Final = frozenset({"D"})
"""States in /proc/PID/stat (proc_pid_stat(5)): a sleep that nothing interrupts."""


class Silence:
    """`deadline`: when it has lasted too long, in trio's time; it may be changed at any moment."""

    def __init__(self, patience: float) -> None:
        self._began = trio.current_time()
        self._scope = trio.CancelScope(deadline=self._began + patience)

    @property
    def deadline(self) -> float:
        return self._scope.deadline

    @deadline.setter
    def deadline(self, time: float) -> None:
        self._scope.deadline = time

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return trio.current_time() - self._began

    def broken(self, patience: float) -> None:
        """It has reported something."""
        self._began = trio.current_time()
        self.deadline = self._began + patience

    async def too_long(self) -> None:
        """Wait until it has lasted too long."""
        with self._scope:
            await trio.sleep_forever()

    def bear(self, patience: float) -> None:
        """After `too_long`: it may last so much longer."""
        self._scope = trio.CancelScope(deadline=trio.current_time() + patience)


def waits_for_disk(pid: int) -> bool:
    """Whether a process is in a read or write that the system cannot finish."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace")
    except OSError:
        return False
    state = stat.rpartition(")")[2].split()[:1]  # the name before it may have anything in it
    return bool(WAITS_FOR_DISK.intersection(state))
