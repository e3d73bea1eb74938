"""How much of the processors a capture takes: its process tells from time to time what it has used so far."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

COPIED: Final = 0.04
"""Cores that a capture is taken to use until its process has told twice."""
TRANSCODED: Final = 0.3
"""The same for one that encodes pictures anew."""


_CGROUPS: Final = Path("/sys/fs/cgroup")
_OWN_CGROUP: Final = Path("/proc/self/cgroup")


def usable_cores(cgroups: Path = _CGROUPS, own: Path = _OWN_CGROUP) -> float:
    """How many cores this process may use: those that it may run on, or the quota of its container or service.

    Quotas are those of cgroup v2, in `cgroups`; `own` says in which one the process is.
    """
    return min([float(len(os.sched_getaffinity(0))), *_quotas(cgroups, own)])


def _quotas(cgroups: Path, own: Path) -> Iterator[float]:
    lines = _text(own).splitlines()
    name = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    for folder in (Path(name), *Path(name).parents):
        most, _, period = _text(cgroups / folder / "cpu.max").strip().partition(" ")
        if most.isdecimal() and period.isdecimal() and int(most) and int(period):
            yield int(most) / int(period)


def _text(file: Path) -> str:
    """Empty if it cannot be read."""
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError):
        return ""


class ProcessorShare:
    """`cores`: what a process uses, as a number of cores."""

    def __init__(self) -> None:
        self.cores = COPIED
        self._told: tuple[float, int] | None = None

    def expect_transcoding(self) -> None:
        """It encodes pictures anew."""
        self.cores = max(self.cores, TRANSCODED)

    def take(self, figures: Mapping[str, Any], now: float) -> None:
        """`cpu_ms` of its figures, at `now` in seconds."""
        used = figures.get("cpu_ms")
        if not isinstance(used, int):
            return
        if self._told is not None and now > self._told[0]:
            self.cores = (used - self._told[1]) / 1000 / (now - self._told[0])
        self._told = now, used
