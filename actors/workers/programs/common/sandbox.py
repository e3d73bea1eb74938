"""What a worker gives up before it reads anything from outside. Each step may be refused by the system.

Landlock: no file but those that are open already, and, from Linux 6.12 on, no signals to others. User and network
namespaces: no network. Seccomp: no Unix sockets. No new privileges, no core file, few descriptors, no further process,
bounded memory, a lower priority.
"""

import ctypes
import os
import resource
from collections.abc import Callable, Sequence
from typing import Final

from actors.workers.programs.common.libc import check, libc
from actors.workers.programs.common.system_calls import refuse_unix_sockets

MEMORY: Final = 600 << 20
"""Bytes of address space."""
DESCRIPTORS: Final = 32
NICENESS: Final = 10

_NO_NEW_PRIVS: Final = 38
_NEW_USER_AND_NET: Final = 0x10000000 | 0x40000000
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_BENEATH, _READ_FILE = 1, 1 << 2
_LOOK_UP: Final = ("/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf")
"""Files that the C library reads to look names up."""
_SCOPES, _SCOPES_SINCE = 0x3, 6
"""Abstract Unix sockets and signals of others, and the version that knows of them."""
_FILE_RIGHTS: Final = (13, 14, 15, 15, 16)
"""How many rights each version of Landlock's interface knows, from the first on; later ones are used as the last."""


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def enter(
    max_file: int,
    *,
    has_network: bool = False,
    looks_up: bool = False,
    files: Sequence[str] = (),
    memory: int = MEMORY,
    descriptors: int = DESCRIPTORS,
) -> dict[str, str]:
    """Take every step; those that were refused, and why. `max_file`: bytes that a file may have.

    `has_network`: it keeps the one that it is in. `looks_up`: it reads the files by which names are looked up. `files`:
    others that it reads.
    """
    steps: dict[str, Callable[[], object]] = {
        "limits": lambda: _limit(max_file, memory, descriptors),
        "no-new-privs": _no_new_privileges,
        "namespaces": lambda: check(libc.unshare(_NEW_USER_AND_NET)),
        "landlock": lambda: _landlock((*_LOOK_UP, *files) if looks_up else files),
        "unix-sockets": refuse_unix_sockets,
        "nice": lambda: os.nice(NICENESS),
    }
    if has_network:
        del steps["namespaces"]
    refused = {}
    for name, step in steps.items():
        try:
            step()
        except (OSError, ValueError) as error:
            refused[name] = str(error)
    return refused


def _limit(max_file: int, memory: int, descriptors: int) -> None:
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: descriptors,
        resource.RLIMIT_FSIZE: max_file,
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_NPROC: 0,
    }
    for kind, most in limits.items():
        _, hard = resource.getrlimit(kind)
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (value, value))


def _no_new_privileges() -> None:
    check(libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0))


def _landlock(readable: Sequence[str]) -> None:
    version = check(libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1)))
    rights = _FILE_RIGHTS[min(version, len(_FILE_RIGHTS)) - 1]
    ruleset = _Ruleset((1 << rights) - 1, 0, _SCOPES if version >= _SCOPES_SINCE else 0)
    size = ctypes.c_size_t(ctypes.sizeof(ruleset))
    descriptor = check(libc.syscall(_LANDLOCK_CREATE, ctypes.byref(ruleset), size, ctypes.c_uint32(0)))
    try:
        for path in readable:
            _permit(descriptor, path)
        check(libc.syscall(_LANDLOCK_RESTRICT, ctypes.c_int(descriptor), ctypes.c_uint32(0)))
    finally:
        os.close(descriptor)


def _permit(ruleset: int, path: str) -> None:
    """Let a file be read, if it is there."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        rule = _PathBeneath(_READ_FILE, descriptor)
        check(libc.syscall(_LANDLOCK_ADD, ctypes.c_int(ruleset), _BENEATH, ctypes.byref(rule), ctypes.c_uint32(0)))
    finally:
        os.close(descriptor)
