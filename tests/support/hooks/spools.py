"""Spools for tests on a clock of their own: files as they are, without threads, and a time that follows trio's."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, TypeVar

import httpx
import trio
from attrs import evolve

from actors.hooks.kept.spool import Spool
from actors.hooks.lanes.lane import HookLane
from actors.storage.hook_spool import AppTotals, HookSpoolFile
from config.apps import App
from config.settings import Settings
from protocol.hooks import HookMethod
from tests.support.hooks.hook_rig import APP, Answer, HookRig, MemoryBackend, echo, failing, hook_rig

T = TypeVar("T")

EPOCH = 1_800_000_000.0
STATUS = HookMethod.STREAM_STATUS_EVENT
REFUSED = failing(httpx.ConnectError("backend.test port 80: Connection refused"))
ALL = evolve(APP, spool="all")


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


@asynccontextmanager
async def spool_rig(
    path: Path, app: App = ALL, *, spool: Spool | None = None, **options: Any
) -> AsyncIterator[HookRig]:
    """A dispatcher with what was kept at `path`."""
    settings = {"rest_client_request_retry_count": 0, **options}
    async with hook_rig(app, spool=spool or spool_at(path), **settings) as rig:
        yield rig


def tell(lane: HookLane, *numbers: int, last: bool = False) -> None:
    for number in numbers:
        lane.notify(STATUS, {"n": number, "sessionId": lane._session_id}, last=last)


def delivered(backend: MemoryBackend) -> list[int]:
    """The numbers that were answered, in the order in which they came."""
    return [call.body["n"] for call in backend.calls if call.method == STATUS]


def down_then(backend: MemoryBackend, answer: Answer = echo) -> None:
    """It is back."""
    backend.calls.clear()
    backend.script("*", answer)
