"""What happens to worker processes, as plain numbers."""

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

    def started(self, program: str) -> None:
        self.starts[program] += 1
        self.running[program] += 1

    def ended(self, program: str) -> None:
        self.running[program] -= 1

    def failed(self, program: str) -> None:
        self.failures[program] += 1

    def hung(self, program: str) -> None:
        self.hangs[program] += 1
