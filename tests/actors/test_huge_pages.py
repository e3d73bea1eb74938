"""The process's memory in huge pages: which parts of it, and that nothing else changes."""

import errno
import mmap
from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock

from actors.runtime import huge_pages
from actors.runtime.huge_pages import HUGE, collapse, keep_in_huge_pages, places

MAPS = """\
00400000-00620000 r-xp 00000000 fe:01 4711                               /usr/bin/python3
00a00000-00e00000 rw-p 00000000 fe:01 4711                               /usr/bin/python3
01000000-01500000 rw-p 00000000 00:00 0                                  [heap]
7f0000100000-7f0000700000 rw-p 00000000 00:00 0
7f0000700000-7f0000f00000 ---p 00000000 00:00 0
7f0001000000-7f0001800000 rw-s 00000000 00:01 4712                       /dev/zero (deleted)
7ffd00000000-7ffd00600000 rw-p 00000000 00:00 0                          [stack]
"""


def test_it_is_private_memory_of_the_process_alone_in_whole_huge_pages() -> None:
    assert list(places(MAPS)) == [0x1000000, 0x1200000, 0x7F0000200000, 0x7F0000400000]


def test_what_is_in_memory_stays_as_it_was() -> None:
    with mmap.mmap(-1, 8 * HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        content = bytes(range(256)) * (8 * HUGE // 256)
        memory[:] = content
        for place in filter(lambda place: huge_pages._pages_in_use(place) == 512, huge_pages._used()):
            assert collapse(place) in (0, errno.EINVAL, errno.ENOMEM, errno.EAGAIN, errno.EBUSY)
        assert memory[:] == content


async def test_each_is_made_once_while_it_is_there(
    monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    there = {HUGE, 2 * HUGE}
    made = _pretend(monkeypatch, lambda: sorted(there), 0)
    nursery.start_soon(keep_in_huge_pages)
    await trio.sleep(3 * huge_pages.INTERVAL)
    assert made == [HUGE, 2 * HUGE]
    there -= {HUGE}
    await trio.sleep(2 * huge_pages.INTERVAL)
    there |= {HUGE, 4 * HUGE}
    await trio.sleep(2 * huge_pages.INTERVAL)
    assert made == [HUGE, 2 * HUGE, HUGE, 4 * HUGE]


async def test_a_system_that_cannot_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _pretend(monkeypatch, lambda: [HUGE, 2 * HUGE], errno.EINVAL)
    await keep_in_huge_pages()
    assert asked == [HUGE]


def _pretend(monkeypatch: pytest.MonkeyPatch, used: Callable[[], list[int]], answer: int) -> list[int]:
    """Let the system say what is in use, and give this answer each time; where it was asked for a huge page."""
    asked: list[int] = []

    def ask(place: int) -> int:
        asked.append(place)
        return answer

    async def at_once(call: Callable[..., object], *args: object) -> object:
        await trio.lowlevel.checkpoint()
        return call(*args)

    monkeypatch.setattr(huge_pages, "_used", used)
    monkeypatch.setattr(huge_pages, "collapse", ask)
    monkeypatch.setattr(trio.to_thread, "run_sync", at_once)
    return asked
