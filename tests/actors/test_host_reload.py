"""A reload by REST, which the parent of all nodes passes on to them."""

import os
import signal
from collections.abc import Iterator

import pytest

from actors.server.host_reload import HostReload
from actors.settings.reload import ReloadReport

REPORT = ReloadReport(taken=(), waiting=(), warnings=())
NOBODY = 1 << 30


@pytest.fixture
def hangups() -> Iterator[list[int]]:
    """Those that this process gets."""
    got: list[int] = []
    before = signal.signal(signal.SIGHUP, lambda number, _: got.append(number))
    yield got
    signal.signal(signal.SIGHUP, before)


async def reload(*, by: str, check_only: bool) -> ReloadReport:
    return REPORT


@pytest.mark.parametrize(("known", "check_only", "count"), [(0, False, 1), (0, True, 0), (NOBODY, False, 0)])
async def test_the_parent_hears_of_it_and_not_who_has_taken_its_place(
    hangups: list[int], known: int, check_only: bool, count: int
) -> None:
    parents = iter([known or os.getpid(), os.getpid()])
    nodes = HostReload(reload, parent=lambda: next(parents))
    assert await nodes(by="ann", check_only=check_only) is REPORT
    assert len(hangups) == count
