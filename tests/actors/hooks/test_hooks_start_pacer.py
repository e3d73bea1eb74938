"""How calls to one host begin: at once while few come, one in a pass of the loop in a crowd, slower while they fail."""

from collections import Counter
from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.hooks.connections.start_pacer import BURST, BURST_WINDOW, FAILING_PAUSE, StartPacer
from tests.support.passes import Passes

MANY = 50


async def enter_together(pacer: StartPacer, now: Callable[[], float], *, in_batch: bool = False) -> list[float]:
    """When each of many calls that come in one pass begins, in the order in which they came."""
    came: list[int] = []
    began: dict[int, float] = {}

    async def call(number: int) -> None:
        came.append(number)
        await pacer.enter(in_batch=in_batch)
        began[number] = now()

    async with trio.open_nursery() as nursery:
        for number in range(MANY):
            nursery.start_soon(call, number)
    return [began[number] for number in came]


@pytest.fixture
def passes() -> Passes:
    return Passes()


async def test_in_a_crowd_one_call_begins_in_a_pass_first_come_first_served(
    passes: Passes, autojump_clock: MockClock
) -> None:
    trio.lowlevel.add_instrument(passes)
    began = await enter_together(StartPacer(), lambda: passes.number)
    assert began == sorted(began)
    first, *others = Counter(began).items()
    assert first == (began[0], BURST)
    assert {count for _, count in others} == {1}


async def test_while_it_is_calm_no_pass_is_lost(passes: Passes, autojump_clock: MockClock) -> None:
    trio.lowlevel.add_instrument(passes)
    pacer = StartPacer()
    for _ in range(3):
        before = passes.number
        for _ in range(BURST):
            await pacer.enter()
        assert passes.number == before
        await trio.sleep(BURST_WINDOW * 1.01)


async def test_a_newcomer_does_not_overtake_the_line(autojump_clock: MockClock) -> None:
    pacer = StartPacer()
    pacer.is_failing = True
    began: list[str] = []

    async def call(name: str) -> None:
        await pacer.enter()
        began.append(name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call, "first")
        await wait_all_tasks_blocked()
        pacer.is_failing = False
        nursery.start_soon(call, "second")
        await wait_all_tasks_blocked()
        assert pacer.waiting == 2
    assert began == ["first", "second"]
    assert pacer.waiting == 0


async def test_a_batch_begins_in_one_pass(passes: Passes, autojump_clock: MockClock) -> None:
    trio.lowlevel.add_instrument(passes)
    assert len(set(await enter_together(StartPacer(), lambda: passes.number, in_batch=True))) == 1


@pytest.mark.parametrize("in_batch", [False, True])
async def test_what_calls_a_host_that_fails_begins_at_a_bounded_rate(in_batch: bool, autojump_clock: MockClock) -> None:
    pacer = StartPacer()
    pacer.is_failing = True
    start = trio.current_time()
    began = await enter_together(pacer, trio.current_time, in_batch=in_batch)
    assert began == pytest.approx([start + FAILING_PAUSE * number for number in range(1, MANY + 1)])


async def test_once_the_host_is_well_the_line_goes_on_without_a_pause(autojump_clock: MockClock) -> None:
    pacer = StartPacer()
    pacer.is_failing = True
    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(enter_together, pacer, trio.current_time)
        await trio.sleep(FAILING_PAUSE * 1.5)
        pacer.is_failing = False
    # The one whose pause had begun ends it.
    assert trio.current_time() == pytest.approx(start + FAILING_PAUSE * 2)


async def test_who_gives_up_in_the_line_holds_up_nobody(autojump_clock: MockClock) -> None:
    pacer = StartPacer()
    pacer.is_failing = True
    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pacer.enter)
        await wait_all_tasks_blocked()
        for _ in range(MANY):
            with trio.move_on_after(FAILING_PAUSE / MANY / 2):
                await pacer.enter()
        nursery.start_soon(pacer.enter)
    assert trio.current_time() == pytest.approx(start + FAILING_PAUSE * 2)
    assert pacer.waiting == 0
