"""Spools for tests on a clock of their own: files as they are, without threads, and a time that follows trio's."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import trio
from attrs import evolve

from actors.hooks.spool import Spool
from actors.storage.hook_spool import AppTotals, HookSpoolFile
from config.settings import Settings

T = TypeVar("T")

EPOCH = 1_800_000_000.0


async def at_once(function: Callable[[], T], /) -> T:
    """Instead of a thread, which a clock that jumps would not wait for."""
    await trio.lowlevel.checkpoint()
    return function()


def wall_clock() -> float:
    """Seconds since the epoch, by trio's clock."""
    return EPOCH + trio.current_time()


def spool_at(path: Path, *, file: HookSpoolFile | None = None, **settings: Any) -> Spool:
    """A spool with what there is at `path`."""
    spool = Spool(evolve(Settings(), **settings), file or HookSpoolFile(path), offload=at_once, wall_clock=wall_clock)
    spool.open()
    return spool


def totals_at(path: Path) -> dict[str, AppTotals]:
    """What the file at `path` holds, by application."""
    with closing(HookSpoolFile(path)) as file:
        return file.totals()[0]
