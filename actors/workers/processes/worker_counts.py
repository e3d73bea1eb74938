"""What happens to worker processes and recordings, as plain numbers."""

from collections import Counter

from attrs import define, field


@define(eq=False)
class WorkerCounts:
    """Numbers by program; `running` is a level, the others only grow."""

    running: Counter[str] = field(factory=Counter)
    starts: Counter[str] = field(factory=Counter)
    failures: Counter[str] = field(factory=Counter)
    """Processes that ended without having done their job, those that were killed included."""
    hangs: Counter[str] = field(factory=Counter)
    disk_waits: Counter[str] = field(factory=Counter)
    """Times that one has reported nothing for too long because it waited for its disk."""

    def started(self, program: str) -> None:
        self.starts[program] += 1
        self.running[program] += 1

    def ended(self, program: str) -> None:
        self.running[program] -= 1

    def failed(self, program: str) -> None:
        self.failures[program] += 1

    def hung(self, program: str) -> None:
        self.hangs[program] += 1


@define(eq=False)
class RecordingCounts:
    """Plain numbers that only grow."""

    started: int = 0
    finished: int = 0
    """Those that left a file, or several."""
    files: int = 0
    """Finished files."""
    failed: int = 0
    """Those whose process died, hung, or found the disk full; most left a file too."""
    restarted: int = 0
    """Processes that have followed others that died; their recordings went on in new files."""
    refused: int = 0
    rescued: int = 0
    bytes: int = 0
    """Of finished files."""
