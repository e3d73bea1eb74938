"""What a worker may not ask the system for: Unix sockets, as those of the server and of others take commands by them.

A filter of system calls (seccomp), which works for root and without namespaces too. Sockets that the worker was given
are not touched by it.
"""

import ctypes
import errno
import os
import struct
from typing import Final

from actors.workers.programs.common.libc import check, libc

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _MACHINE, _FIRST_ARGUMENT = 0, 4, 16
"""Where they are in what the filter sees (`struct seccomp_data`)."""
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
_UNIX: Final = 1
_IO_URING_SETUP: Final = 425
"""A way to open sockets that no filter sees."""
_OTHER_INTERFACE: Final = 0x40000000
"""From here on, numbers are those of x32."""
_MACHINES: Final = {"x86_64": (0xC000003E, 41, 53), "aarch64": (0xC00000B7, 198, 199)}
"""What the filter is told of a machine, and the numbers of `socket` and `socketpair`."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def refuse_unix_sockets() -> None:
    """For good; `no_new_privs` must be set. Raises OSError."""
    machine = os.uname().machine
    if machine not in _MACHINES:
        raise OSError(errno.ENOSYS, f"no filter for {machine}")
    steps = _filter(*_MACHINES[machine])
    program = _Program(len(steps), b"".join(steps))
    check(libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), ctypes.byref(program)))


def _filter(machine: int, open_one: int, open_two: int) -> list[bytes]:
    """Each step: what to do, how many steps to leave out if it is true, and if it is not, and a number."""
    steps = (
        (_LOAD, 0, 0, _MACHINE),
        (_EQUAL, 0, 7, machine),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 5, 0, _OTHER_INTERFACE),
        (_EQUAL, 4, 0, _IO_URING_SETUP),
        (_EQUAL, 1, 0, open_one),
        (_EQUAL, 0, 3, open_two),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_EQUAL, 0, 1, _UNIX),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    )
    return [struct.pack("HBBI", *step) for step in steps]
