"""What is kept for later outlasts the server: its end, its death, and settings that the next run has otherwise."""

from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from actors.storage.hook_spool import HookSpoolFile
from config.settings import HookOrder
from protocol.hooks.kept_hook import KeptHook
from tests.bench.hooks.kept_hooks import simulate
from tests.support.hooks.hook_rig import MemoryBackend, echo, hang, status
from tests.support.hooks.spools import (
    ALL,
    EPOCH,
    REFUSED,
    STATUS,
    delivered,
    down_then,
    spool_at,
    spool_rig,
    tell,
    totals_at,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.sqlite3"


async def test_what_is_left_at_the_end_is_delivered_by_the_next_run(autojump_clock: MockClock, path: Path) -> None:
    backend = MemoryBackend()
    async with spool_rig(path, backend=backend) as rig:
        backend.script("*", hang)
        lane = rig.lane(app=ALL)
        tell(lane, *range(5))  # one under way, four that wait for their turn
        await trio.sleep(1)
    async with spool_rig(path, backend=backend):
        down_then(backend)
        await trio.sleep(10)
    assert delivered(backend) == list(range(5))


async def test_with_one_order_for_all_what_an_earlier_run_has_left_comes_first(
    autojump_clock: MockClock, path: Path
) -> None:
    backend = MemoryBackend()
    backend.script("*", REFUSED)
    async with spool_rig(path, backend=backend) as rig:  # an order of its own for each session
        for number in range(10):
            tell(rig.lane(f"s{number % 3}", app=ALL), number)
        await trio.sleep(1)
    spool = spool_at(path, rest_hook_order=HookOrder.GLOBAL)
    async with spool_rig(path, backend=backend, spool=spool, rest_hook_order=HookOrder.GLOBAL) as rig:
        down_then(backend)
        tell(rig.lane("later", app=ALL), 10, 11)
        await trio.sleep(30)
        assert sorted(delivered(backend)[:10]) == list(range(10))
        assert delivered(backend)[10:] == [10, 11]
        tell(rig.lane("last", app=ALL), 12)
        await trio.sleep(0.01)
        assert delivered(backend)[-1] == 12  # nothing waits any more
        assert rig.dispatcher.spool.counts.kept == 2


async def test_a_damaged_body_harms_nobody(autojump_clock: MockClock, path: Path) -> None:
    hook = KeptHook(
        number=1,
        app_key=ALL.key,
        lane="s",
        method=STATUS,
        hook_id="a-1",
        attempts=1,
        event_time=EPOCH,
        last=True,
        content=b"[1]",
    )
    file = HookSpoolFile(path)
    file.write([hook, evolve(hook, number=2, content=b'{"n": 5}')], [])
    file.close()
    backend = MemoryBackend()
    backend.script("*", status(200))
    async with spool_rig(path, backend=backend, spool=spool_at(path)) as rig:
        await trio.sleep(20)
        assert rig.dispatcher.spool.index.totals == {}
        assert [call.body for call in backend.calls] == [[1], {"n": 5}]


async def test_ten_minutes_of_outage_lose_nothing_and_keep_the_order(autojump_clock: MockClock, path: Path) -> None:
    backend, told = MemoryBackend(), 0
    async with spool_rig(path, backend=backend) as rig:
        lanes = [rig.lane(f"s{number}", app=ALL) for number in range(20)]
        for second in range(1000):
            if second == 100:
                backend.script("*", REFUSED)
            if second == 700:
                backend.script("*", echo)
            for lane in lanes[second % 10 :: 10]:
                tell(lane, told, last=told % 7 == 0)
                told += 1
            await trio.sleep(1)
        await trio.sleep(120)
        assert rig.dispatcher.spool.index.totals == {}
        assert rig.dispatcher.spool.counts.kept > 1000
    assert_all_came_in_order(backend, told)


def assert_all_came_in_order(backend: MemoryBackend, told: int) -> None:
    """Counting the first answer to each hook."""
    answered = [call for call in backend.calls if call.status == 200]
    by_session = defaultdict[str, list[int]](list)
    for call in answered:
        by_session[call.body["sessionId"]].append(call.body["n"])
    assert sorted(number for numbers in by_session.values() for number in numbers) == list(range(told))
    assert all(before < later for numbers in by_session.values() for before, later in pairwise(numbers))


@pytest.mark.slow
async def test_over_many_outages_and_kills_nothing_promised_is_lost(autojump_clock: MockClock, path: Path) -> None:
    ledger = await simulate(path, events=3000, seed=1, lives=6)
    assert (ledger.lost, ledger.out_of_order) == (set(), [])
    assert len(ledger.promised) > 500
    assert totals_at(path) == {}


async def test_each_delivery_in_vain_is_counted_over_the_end_of_the_server_too(
    autojump_clock: MockClock, path: Path
) -> None:
    backend = MemoryBackend()
    async with spool_rig(path, backend=backend) as rig:
        backend.script("*", status(500))
        tell(rig.lane(app=ALL), 1)
        await trio.sleep(10)
        assert (await rig.dispatcher.spool.look(ALL.key, limit=1))[0].attempts == len(backend.calls) > 2
    async with spool_rig(path, backend=backend):
        await trio.sleep(10)
        backend.script("*", echo)
        await trio.sleep(60)
    attempts = [int(call.request.headers["X-WCS-Attempt"]) for call in backend.calls]
    assert attempts == list(range(1, len(attempts) + 1))
    assert len({call.request.headers["traceparent"] for call in backend.calls}) == len(attempts)
