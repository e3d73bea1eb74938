"""Notifications that cannot be delivered are kept, and delivered later: in order, under the same id, by and by."""

from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from actors.hooks.kept import replay as replaying
from actors.hooks.kept import spool as spooling
from actors.storage.hook_spool import HookSpoolFile, SpoolFileError
from config.settings import HookOrder
from protocol.hooks import Allow, HookMethod
from protocol.hooks.breaker import FAILURES
from protocol.hooks.webhook_signature import new_secret
from tests.support.hooks.hook_rig import APP, Answer, echo, hang, status
from tests.support.hooks.spools import ALL, EPOCH, REFUSED, delivered, down_then, spool_at, spool_rig, tell, totals_at

PUBLISH = HookMethod.PUBLISH_STREAM
ENDS = evolve(APP, spool="ends")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.sqlite3"


# -- what is kept ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [REFUSED, hang, status(500), status(503)])
async def test_what_was_not_answered_is_delivered_later_in_order(
    autojump_clock: MockClock, path: Path, failure: Answer
) -> None:
    async with spool_rig(path) as rig:
        rig.backend.script("*", failure)
        tell(rig.lane(app=ALL), 1, 2, 3)
        await trio.sleep(20)
        assert rig.dispatcher.spool.index.rows == 3
        down_then(rig.backend)
        await trio.sleep(40)
        assert delivered(rig.backend) == [1, 2, 3]
        assert rig.dispatcher.spool.index.totals == {}
        counts = rig.dispatcher.spool.counts
        assert (counts.kept, counts.delivered, counts.dropped, counts.dropped_ends) == (3, 3, 0, 0)


@pytest.mark.parametrize("answer", [status(200), status(404), status(403), status(302)])
async def test_an_answer_is_a_delivery(autojump_clock: MockClock, path: Path, answer: Answer) -> None:
    async with spool_rig(path) as rig:
        rig.backend.script("*", answer)
        tell(rig.lane(app=ALL), 1)
        await trio.sleep(5)
        assert (len(rig.backend.calls), rig.dispatcher.spool.counts.kept) == (1, 0)
    assert not HookSpoolFile(path).exists


async def test_without_the_spool_nothing_is_kept(autojump_clock: MockClock, path: Path) -> None:
    async with spool_rig(path, APP) as rig:
        rig.backend.script("*", REFUSED)
        tell(rig.lane(app=APP), 1, last=True)
        await trio.sleep(5)
        assert rig.dispatcher.spool.counts.kept == 0
    assert not HookSpoolFile(path).exists


async def test_ends_are_kept_and_what_comes_behind_them(autojump_clock: MockClock, path: Path) -> None:
    async with spool_rig(path, ENDS) as rig:
        rig.backend.script("*", REFUSED)
        lane, other = rig.lane("a", app=ENDS), rig.lane("b", app=ENDS)
        tell(lane, 1)
        tell(lane, 2, last=True)
        tell(lane, 3)
        tell(other, 4)
        await trio.sleep(0.5)
        down_then(rig.backend)
        tell(lane, 5)
        tell(other, 6)
        await trio.sleep(40)
        assert delivered(rig.backend) == [6, 2, 3, 5]


async def test_a_late_hook_has_its_id_and_the_time_of_its_event_and_is_signed_anew(
    autojump_clock: MockClock, path: Path
) -> None:
    app = evolve(ALL, webhook_secret=new_secret(b"k" * 32))
    async with spool_rig(path, app) as rig:
        rig.backend.script("*", REFUSED)
        await trio.sleep(100)
        tell(rig.lane(app=app), 1)
        await trio.sleep(0.01)
        (first,) = (call.request for call in rig.backend.calls)
        rig.apps[app.key] = evolve(app, rest_username="wcs", rest_password="pw", webhook_secret=new_secret(b"n" * 32))
        down_then(rig.backend)
        await trio.sleep(10)
        (late,) = (call.request for call in rig.backend.calls)
    assert late.headers["X-WCS-Hook-Id"] == first.headers["X-WCS-Hook-Id"]
    assert int(late.headers["X-WCS-Attempt"]) > int(first.headers["X-WCS-Attempt"])
    assert late.content == first.content
    assert datetime.fromisoformat(late.headers["X-WCS-Event-Time"]).timestamp() == pytest.approx(EPOCH + 100, abs=0.01)
    assert "X-WCS-Event-Time" not in first.headers
    assert late.headers["webhook-signature"] != first.headers["webhook-signature"]
    assert late.headers["Authorization"].startswith("Basic ")  # as the application has it now
    assert late.headers["traceparent"].split("-")[1] == first.headers["traceparent"].split("-")[1]


async def test_questions_never_wait_for_what_is_kept(autojump_clock: MockClock, path: Path) -> None:
    async with spool_rig(path) as rig:
        rig.backend.script("StreamStatusEvent", status(500))
        lane = rig.lane(app=ALL)
        tell(lane, *range(50))
        await trio.sleep(3)
        began = trio.current_time()
        assert await lane.authorize(PUBLISH, {}) == Allow(body={})
        assert trio.current_time() == began
        assert rig.dispatcher.spool.index.rows == 50


async def test_with_one_order_for_all_what_is_kept_is_one_lane(autojump_clock: MockClock, path: Path) -> None:
    async with spool_rig(path, rest_hook_order=HookOrder.GLOBAL) as rig:
        rig.backend.script("*", REFUSED)
        for number in range(20):
            tell(rig.lane(f"s{number % 3}", app=ALL), number)
        await trio.sleep(0.5)
        down_then(rig.backend)
        await trio.sleep(30)
        assert delivered(rig.backend) == list(range(20))


# -- how it is delivered -----------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_the_rate_begins_at_ten_a_second_and_rises_to_two_hundred(autojump_clock: MockClock, path: Path) -> None:
    async with spool_rig(path) as rig:
        rig.backend.script("*", REFUSED)
        for number in range(4000):
            tell(rig.lane(f"s{number}", app=ALL), number)
        await trio.sleep(2)
        down_then(rig.backend)
        await trio.sleep(60)
        began = [call.began for call in rig.backend.calls]
        assert sorted(delivered(rig.backend)) == list(range(4000))
    assert sum(time < began[0] + 1 for time in began) <= 17
    per_second = [sum(start <= time < start + 1 for time in began) for start in range(int(began[0]), int(began[-1]))]
    assert 180 <= max(per_second) <= 202


async def test_a_hook_that_always_fails_holds_up_its_lane_alone(autojump_clock: MockClock, path: Path) -> None:
    async def fail_seven(request: httpx.Request) -> httpx.Response:
        return await (status(500) if b'"n":7,' in request.content else echo)(request)

    async with spool_rig(path) as rig:
        rig.backend.script("*", REFUSED)
        for number in range(300):
            tell(rig.lane(f"s{number % 100}", app=ALL), number)
        await trio.sleep(1)
        down_then(rig.backend, fail_seven)
        await trio.sleep(300)
        left = [hook.number for hook in await rig.dispatcher.spool.look(ALL.key, limit=500)]
        answered = set(delivered(rig.backend)) - {7}
    assert len(left) == 3
    assert answered == set(range(300)) - {7, 107, 207}


async def test_hooks_of_an_application_that_is_gone_wait_for_it(autojump_clock: MockClock, path: Path) -> None:
    async with spool_rig(path) as rig:
        rig.backend.script("*", REFUSED)
        tell(rig.lane(app=ALL), 1)
        await trio.sleep(0.1)
        del rig.apps[ALL.key]
        down_then(rig.backend)
        await trio.sleep(600)
        assert rig.backend.calls == []
        rig.apps[ALL.key] = ALL
        await trio.sleep(replaying.UNKNOWN_APP_SECONDS + 1)
        assert delivered(rig.backend) == [1]


async def test_an_operator_ends_the_pause(autojump_clock: MockClock, path: Path) -> None:
    async with spool_rig(path) as rig:
        rig.backend.script("*", REFUSED)
        for number in range(FAILURES + 5):
            tell(rig.lane(f"s{number}", app=ALL), number)
        await trio.sleep(100)
        down_then(rig.backend)
        assert rig.dispatcher.replay.go_on(ALL.key, insists=True)
        await trio.sleep(0.5)
        assert sorted(delivered(rig.backend)) == list(range(FAILURES + 5))
        assert not rig.dispatcher.replay.go_on(ALL.key, insists=False)


# -- bounds ------------------------------------------------------------------------------------------------------------


async def test_what_is_too_old_or_too_much_goes_and_is_counted(
    autojump_clock: MockClock, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = spool_at(path, rest_spool_max_size=100_000, rest_spool_max_age=3600.0)
    async with spool_rig(path, spool=spool) as rig:
        rig.backend.script("*", REFUSED)
        lane = rig.lane(app=ALL)
        tell(lane, 1, last=True)
        tell(lane, *range(2, 1000))
        await trio.sleep(2 * spooling.TIDY_SECONDS)
        assert spool.index.size <= 100_000
        assert (spool.counts.dropped, spool.counts.dropped_ends) == (999 - spool.index.rows, 0)
        await trio.sleep(4000)
        assert spool.index.totals == {}
        assert spool.counts.dropped_ends == 1
        assert not spool.index.is_waiting(ALL.key, "session")
    assert "hooks that were kept are dropped: too old or too many" in caplog.messages


class FullDisk(HookSpoolFile):
    """A file that cannot be written while it `is_full`."""

    is_full = True

    def write(self, *arguments: Any) -> None:
        if self.is_full:
            raise SpoolFileError(f"{self.path}: database or disk is full")
        super().write(*arguments)


async def test_while_the_disk_is_full_hooks_stay_in_memory_within_bounds(
    autojump_clock: MockClock, path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spooling, "MEMORY_HOOKS", 1500)
    file = FullDisk(path)
    spool = spool_at(path, file=file)
    async with spool_rig(path, spool=spool, rest_lane_size=100_000) as rig:
        rig.backend.script("*", REFUSED)
        for number in range(2000):
            tell(rig.lane(f"s{number % 10}", app=ALL), number, last=number < 5)
        await trio.sleep(1000)
        assert spool.unwritten_of(ALL.key) == spool.index.rows == 1500
        assert (spool.counts.dropped, spool.counts.dropped_ends) == (500, 0)
        assert caplog.messages.count("hooks are kept in memory only: the file cannot be written") == 1
        down_then(rig.backend)
        await trio.sleep(60)
        assert len(delivered(rig.backend)) == 1500  # without a disk
        assert set(range(5)) <= set(delivered(rig.backend))
        rig.backend.script("*", REFUSED)
        tell(rig.lane("later", app=ALL), *range(100))
        await trio.sleep(1)
        assert spool.unwritten_of(ALL.key) == 100
        file.is_full = False
        await trio.sleep(60)
        assert spool.unwritten_of(ALL.key) == 0
    assert totals_at(path)[ALL.key].rows == 100
    assert "hooks are kept on disk again" in caplog.messages


async def test_an_operator_can_drop_what_is_kept(autojump_clock: MockClock, path: Path) -> None:
    async with spool_rig(path) as rig:
        rig.backend.script("*", REFUSED)
        lane = rig.lane(app=ALL)
        tell(lane, *range(30))
        await trio.sleep(1)
        tell(lane, 30)
        await trio.sleep(0.01)
        assert await rig.dispatcher.spool.drop(ALL.key) == 31
        down_then(rig.backend)
        tell(lane, 31)
        await trio.sleep(60)
        assert delivered(rig.backend) == [31]
    assert totals_at(path) == {}
