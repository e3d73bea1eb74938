"""Recorders for a process's loop whose files take time to be written, by a clock that stands still otherwise."""

import socket
from types import SimpleNamespace
from typing import Any

from attrs import define, field

from actors.workers.programs.common.control import ControlLines


@define(eq=False)
class Journal:
    """What happens, in order, and the time."""

    lines: list[str] = field(factory=list)
    now: float = 100.0

    def time(self) -> Any:
        """In place of the module of that name."""
        return SimpleNamespace(monotonic=lambda: self.now)


class NotedLines(ControlLines):
    """Control lines that go into the journal. No command ever comes."""

    def __init__(self, name: str, journal: Journal, commands: int) -> None:
        super().__init__(commands)
        self._name, self._journal = name, journal

    def tell(self, event: str, **fields: Any) -> None:
        more = "".join(f" {value}" for value in fields.values())
        self._journal.lines.append(f"{self._name} {event}{more}")


class SlowRecorder:
    """Its file takes `takes` seconds each time; it ends at the second time."""

    read_interval = 0.0

    def __init__(self, name: str, journal: Journal, takes: float) -> None:
        self.why = ""
        self._ends = [end for _ in range(3) for end in socket.socketpair()]
        self.control: ControlLines = NotedLines(name, journal, self._ends[0].fileno())
        self.tap, self.files = self._ends[2].fileno(), self._ends[4].fileno()
        self._name, self._journal, self._takes = name, journal, takes
        self._written = 0

    def figures(self) -> dict[str, object]:
        return {}

    def obey(self) -> None:
        """No command comes."""

    def receive_file(self) -> bool:
        return False

    def read_all(self) -> int:
        return 0

    def flush(self) -> None:
        self._write("flush")
        self._written += 1
        if self._written == 2:
            self.why = "ended"

    def finish(self) -> None:
        self._write("finish")

    def note_failure(self, error: OSError) -> None:
        raise error

    def close(self) -> None:
        for end in self._ends:
            end.close()

    def _write(self, what: str) -> None:
        self._journal.now += self._takes
        self._journal.lines.append(f"{self._name} {what}")
