"""What the kernel and the system around it say. Each answer is None where it cannot be known."""

import ctypes
import re
from pathlib import Path

import psutil

_CLOCK_UNSYNCHRONISED = 5
_SPACE_FOR_TIMEX = 1024
"""Bytes; `struct timex` takes 208. All zero, it asks without changing anything (adjtimex(2), modes 0)."""
_SYSTEMD_LIBRARY = "libsystemd-shared-"
_PLACES_OF_LIBRARIES = ("lib/*/systemd", "lib/systemd", "lib64/systemd")


def network_limit(name: str) -> int | None:
    """One of net.core.*."""
    return _number(Path("/proc/sys/net/core", name))


def swappiness() -> int | None:
    """How gladly the kernel moves memory to swap: 0 to 200."""
    return _number(Path("/proc/sys/vm/swappiness"))


def swap_size() -> int:
    """Bytes of swap that the machine has."""
    return int(psutil.swap_memory().total)


def has_capability(number: int) -> bool:
    """Whether this process has a capability (capabilities(7))."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return False
    sets = [line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")]
    return any(int(text, 16) >> number & 1 for text in sets)


def is_clock_synchronised() -> bool | None:
    """Whether something keeps the clock right, as the kernel was told."""
    try:
        state: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_SPACE_FOR_TIMEX))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _CLOCK_UNSYNCHRONISED


def systemd_version() -> int | None:
    """The version of the systemd that is in charge of this machine; None also if none is.

    Told by the name of its library, `libsystemd-shared-252.so`, so no program is run.
    """
    if not Path("/run/systemd/system").is_dir():
        return None
    libraries = (path for place in _PLACES_OF_LIBRARIES for path in Path("/usr").glob(f"{place}/{_SYSTEMD_LIBRARY}*"))
    versions = (re.match(r"\d+", path.name.removeprefix(_SYSTEMD_LIBRARY)) for path in libraries)
    return next((int(version[0]) for version in versions if version), None)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
