"""Becomes a program that may make only the system calls of a unit: syscall_filter.py UNIT PROGRAM [ARGUMENT...]

As systemd does it for `SystemCallFilter=`, by libseccomp; systemd-analyze tells what a group of calls holds. Run by its
path, so it imports only the standard library.
"""

import ctypes
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ALLOW = 0x7FFF0000
REFUSE = 0x00050000 | 1
"""With EPERM, as SystemCallErrorNumber= says."""
_UNKNOWN = -1


def calls(name: str) -> Iterator[str]:
    """The system calls of a name; a group begins with @."""
    if not name.startswith("@"):
        yield name
        return
    told = subprocess.run(["systemd-analyze", "syscall-filter", name], check=True, capture_output=True, text=True)
    for line in told.stdout.splitlines()[1:]:
        if (inner := line.strip()) and not inner.startswith("#"):
            yield from calls(inner)


def allowed(unit: str) -> set[str]:
    """The calls that the lines of a unit leave, read in their order."""
    found = set(calls("@default"))  # systemd always adds them
    for inverted, names in re.findall(r"^SystemCallFilter=(~?)(.*)$", unit, re.MULTILINE):
        listed = {call for name in names.split() for call in calls(name)}
        found = found - listed if inverted else found | listed
    return found


def load(names: set[str]) -> None:
    """Refuse all other calls to this process, and to those that it starts, from now on."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(REFUSE)))
    for name in sorted(names):
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number != _UNKNOWN:
            library.seccomp_rule_add_array(context, ctypes.c_uint32(ALLOW), number, 0, None)
    if library.seccomp_load(context):
        raise OSError("the filter of system calls cannot be loaded")


if __name__ == "__main__":
    load(allowed(Path(sys.argv[1]).read_text()))
    os.execv(sys.argv[2], sys.argv[2:])
