"""What is kept while a disk hangs, and when an operator asks for it in the middle of a page."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from actors.hooks.call_log import HookCall, Progress
from actors.hooks.dispatcher import HookDispatcher
from actors.hooks.kept import spool as spooling
from actors.hooks.kept.spool import Spool
from actors.storage.hook_spool import HookSpoolFile
from config.apps import App
from config.settings import Settings
from protocol.hooks import DEFAULT_METHOD_CONFIG, HookMethod
from tests.support.hooks.hook_rig import APP, Answer, echo, failing, hook_rig, status
from tests.support.hooks.spools import EPOCH, spool_at, totals_at, wall_clock

T = TypeVar("T")

STATUS = HookMethod.STREAM_STATUS_EVENT
ALL: App = evolve(APP, spool="all")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.sqlite3"


def keep(spool: Spool, *numbers: int, last: bool = False) -> None:
    for number in numbers:
        call = HookCall(
            app=ALL, method=STATUS, session_id="s", body={"n": number}, config=DEFAULT_METHOD_CONFIG, stream=None
        )
        progress = Progress(hook_id=str(number), started=0.0, deadline=0.0, attempt=1)
        spool.keep(call, "s", progress, event_time=EPOCH, last=last)


class HangingDisk:
    """Runs nothing until it `goes_on`."""

    def __init__(self) -> None:
        self.goes_on = trio.Event()

    async def __call__(self, function: Callable[[], T], /) -> T:
        await self.goes_on.wait()
        return function()


async def test_while_the_disk_hangs_hooks_stay_in_memory_within_bounds(
    autojump_clock: MockClock, path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spooling, "MEMORY_HOOKS", 1500)
    disk = HangingDisk()
    spool = Spool(Settings(), HookSpoolFile(path), offload=disk, wall_clock=wall_clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(spool.run)
        keep(spool, *range(5), last=True)
        keep(spool, *range(5, 1600))
        await trio.sleep(1)
        assert spool.counts.dropped == 0  # a burst, which a disk that works would take soon
        await trio.sleep(spooling.RETRY_SECONDS)
        keep(spool, *range(1600, 4000))
        assert spool.unwritten_of(ALL.key) == spool.index.rows == 1500
        assert (spool.counts.dropped, spool.counts.dropped_ends) == (2500, 0)
        assert caplog.messages.count("hooks are kept in memory only: the file cannot be written") == 1
        disk.goes_on.set()
        await trio.sleep(1)
        assert spool.unwritten_of(ALL.key) == 0
        assert "hooks are kept on disk again" in caplog.messages
        nursery.cancel_scope.cancel()
    spool.close()
    assert totals_at(path)[ALL.key].rows == 1500


async def test_an_operator_who_asks_within_a_page_changes_no_order(autojump_clock: MockClock, path: Path) -> None:
    down = failing(httpx.ConnectError("backend.test port 80: Connection refused"))
    async with hook_rig(ALL, spool=spool_at(path), rest_client_request_retry_count=0) as rig:
        rig.backend.script("*", down)
        lanes = {name: rig.lane(name, app=ALL) for name in "ab"}
        for name, numbers in (("a", range(10)), ("b", range(100, 150)), ("a", range(10, 60))):
            for number in numbers:
                lanes[name].notify(STATUS, {"n": number, "sessionId": name})
            await trio.sleep(5)
        await trio.sleep(60)
        rig.backend.calls.clear()
        rig.backend.script("*", refused_once(rig.dispatcher))
        await trio.sleep(300)
        mine = [call.body["n"] for call in rig.backend.calls if call.body["sessionId"] == "a"]
        assert mine == [0, 1, 2, 3, *range(3, 60)]
        assert rig.dispatcher.spool.index.rows == 0


def refused_once(dispatcher: HookDispatcher) -> Answer:
    """A hook of session `a` fails; an operator asks for a replay while the page goes on with session `b`."""
    later = iter([status(500)])

    async def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        if body["n"] == 3:
            return await next(later, echo)(request)
        if body["n"] == 110:
            assert dispatcher.replay.go_on(ALL.key, insists=False)
        return await echo(request)

    return answer
