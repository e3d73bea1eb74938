"""The memory of this process in huge pages, where Linux has them (transparent huge pages, madvise(2)).

What a wake-up of the media plane needs of the interpreter lies scattered over tens of megabytes. The processor
remembers where pages are, and after a pause has forgotten most of it; in a virtual machine, to look one up again may
take two dozen reads of memory. There are 512 times fewer pages of 2 MiB than of 4 KiB.

The kernel's own thread for this (khugepaged) looks at a page now and then, and at none where the system's setting is
`madvise`. MADV_COLLAPSE (Linux 6.1) makes a huge page at once, whatever the setting. Only what is mostly in use becomes
one, so that the process hardly grows.
"""

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import cffi
import trio

HUGE: Final = 2 << 20
"""Bytes of a huge page, and what its address is a multiple of."""
INTERVAL: Final = 30.0
"""Seconds between two looks at what has been added."""
PAUSE: Final = 0.02
"""Seconds between two huge pages: to make one takes a fraction of a millisecond, in which media may have to wait."""

_PAGES = 512  # of 4 KiB; where pages are larger, a huge page is, too, and nothing is done
_ENOUGH = 384  # of them in use
_COLLAPSE = 25  # MADV_COLLAPSE

CData = Any
_ffi: CData = cffi.FFI()
_ffi.cdef(
    """
    int madvise(void *address, size_t length, int advice);
    int mincore(void *address, size_t length, unsigned char *is_resident);
    """
)
_libc: CData = _ffi.dlopen(None)


async def keep_in_huge_pages() -> None:
    """Go on until cancelled, or until it shows that the system cannot do it. What fails stays as it was."""
    done: set[int] = set()
    while True:
        used = set(await trio.to_thread.run_sync(_used))
        done &= used  # what was given back may come again, in small pages
        for place in sorted(used - done):
            error = await trio.to_thread.run_sync(collapse, place)
            if error == errno.EINVAL and not done:
                return
            if not error:
                done.add(place)
            await trio.sleep(PAUSE)
        await trio.sleep(INTERVAL)


def collapse(place: int) -> int:
    """Make a huge page at this address; 0, or the number of the error."""
    return int(_ffi.errno) if _libc.madvise(_ffi.cast("void *", place), HUGE, _COLLAPSE) else 0


def places(maps: str) -> Iterator[int]:
    """Where huge pages would be: in private memory that is no file's, as the text of /proc/PID/maps has it."""
    for line in maps.splitlines():
        where, access, _, _, inode, *name = line.split(maxsplit=5)
        if access == "rw-p" and inode == "0" and name in ([], ["[heap]"]):
            begin, end = (int(part, 16) for part in where.split("-"))
            yield from range(-(-begin // HUGE) * HUGE, end - HUGE + 1, HUGE)


def _used() -> list[int]:
    """Those of this process that are mostly in use."""
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError:  # not Linux
        return []
    return [place for place in places(maps) if _pages_in_use(place) >= _ENOUGH]


def _pages_in_use(place: int) -> int:
    """How many of a huge page's small pages are there; 0 if it has just been given back."""
    resident = _ffi.new("unsigned char[]", _PAGES)
    if _libc.mincore(_ffi.cast("void *", place), HUGE, resident):
        return 0
    return sum(each & 1 for each in bytes(_ffi.buffer(resident)))
