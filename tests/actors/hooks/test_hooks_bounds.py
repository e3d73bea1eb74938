"""Real hooks that pile up: what they take in memory, and how much of them is done in one pass of the loop."""

import tracemalloc
from collections import Counter
from typing import Any

import pytest
import trio
import trio.testing
from attrs import evolve
from trio.testing import MockClock

from actors.hooks.dispatcher import REFUSALS_PER_PASS
from actors.hooks.lanes.backlog import MAX_WEIGHT
from actors.hooks.lanes.queue_starter import STARTS_PER_PASS
from config.settings import HookOrder
from protocol.hooks import HookMethod, MethodConfig, RestPolicy
from tests.support.hooks.hook_rig import APP, TEST_OVER, HookRig, after, echo, hang, hook_rig
from tests.support.passes import Passes

EVENT = HookMethod.STREAM_EVENT
OVERWRITE = MethodConfig(rest_policy=RestPolicy.OVERWRITE, rest_overwrite=frozenset({"payload"}))


def body(number: int, payload: Any) -> dict[str, Any]:
    return {"nodeId": "node", "appKey": "testApp", "sessionId": f"session{number}", "payload": payload}


# -- memory ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [MethodConfig(), OVERWRITE], ids=["notify", "overwrite"])
@pytest.mark.parametrize("elements", [0, 200])
async def test_what_waits_takes_no_more_memory_than_it_is_said_to_weigh(
    autojump_clock: MockClock, policy: MethodConfig, elements: int
) -> None:
    async with hook_rig() as rig:
        rig.backend.script("*", hang)
        lane = rig.lane(StreamEvent=policy)
        lane.notify(EVENT, body(0, []))
        await trio.testing.wait_all_tasks_blocked()
        before = rig.dispatcher.backlog.weight
        taken = memory_of(lambda number: lane.event(EVENT, body(number, [[] for _ in range(elements)]), deliver=drop))
        assert rig.dispatcher.statistics().dropped == 0
        weight = rig.dispatcher.backlog.weight - before
    assert 0.5 * weight < taken < 1.2 * weight


def memory_of(step: Any, count: int = 800) -> int:
    """Bytes, with those of whatever table of the interpreter happens to grow meanwhile: few beside so many steps."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(count):
            step(number)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return after - before


def drop(shown: dict[str, Any]) -> None:
    """A client that is not looked at."""


async def test_an_audience_waits_with_one_payload(autojump_clock: MockClock) -> None:
    """An event of 40 kB for two thousand viewers, each with a session before a backend that hangs."""
    payload = {"cells": list(range(1000))}
    async with hook_rig() as rig:
        rig.backend.script("*", hang)
        lanes = [rig.lane(f"session{number}") for number in range(2000)]
        taken = memory_of(lambda number: lanes[number].event(EVENT, body(number, payload), deliver=drop), 2000)
        assert rig.dispatcher.statistics().dropped == 0
        assert rig.dispatcher.backlog.weight < 2000 * 4000
        assert taken < 2000 * 8000  # the tasks of their lanes included


@pytest.mark.parametrize("order", HookOrder)
async def test_a_session_keeps_to_its_own_bound_in_every_order(autojump_clock: MockClock, order: HookOrder) -> None:
    async with hook_rig(rest_hook_order=order, rest_lane_size=10) as rig:
        rig.backend.script("*", after(1))
        quiet, flood = rig.lane("quiet"), rig.lane("flood")
        flood.notify(EVENT, body(0, "first"))
        await trio.testing.wait_all_tasks_blocked()
        for number in range(5):
            quiet.notify(EVENT, body(0, f"quiet {number}"))
        for number in range(100):
            flood.notify(EVENT, body(1, f"flood {number}"))
        assert rig.dispatcher.statistics().dropped == 90
        assert rig.dispatcher.sender.counts.drops == {("other", "other"): 90, ("other", "end"): 0}
        await rig.dispatcher.drain(100)
        told = rig.backend.told("payload")
        assert {f"quiet {number}" for number in range(5)} <= set(told)


@pytest.mark.slow
async def test_large_events_are_dropped_by_weight(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        rig.backend.script("*", hang)
        lane = rig.lane()
        for number in range(40):
            lane.notify(EVENT, body(number, [[] for _ in range(20_000)]))
        statistics = rig.dispatcher.statistics()
        assert 0 < statistics.waiting < 30
        assert rig.dispatcher.backlog.weight <= MAX_WEIGHT


# -- one pass ----------------------------------------------------------------------------------------------------------


async def begun_by_pass(rig: HookRig, passes: Passes, *, sessions: int) -> Counter[int]:
    """How many calls reach the backend in each pass when many sessions have something to tell at once."""
    began: Counter[int] = Counter()

    async def note(request: Any) -> Any:
        began[passes.number] += 1
        return await echo(request)

    rig.backend.script("*", note)
    lanes = [rig.lane(f"session{number}") for number in range(sessions)]
    for number, lane in enumerate(lanes):
        lane.notify(EVENT, body(number, None), last=True)
    await rig.dispatcher.drain(1000)
    return began


async def test_however_many_sessions_have_something_to_tell_few_begin_in_a_pass(autojump_clock: MockClock) -> None:
    passes = Passes()
    trio.lowlevel.add_instrument(passes)
    async with hook_rig() as rig:
        began = await begun_by_pass(rig, passes, sessions=1000)
    assert began.total() == 1000
    assert max(began.values()) <= STARTS_PER_PASS


async def test_what_is_left_at_the_end_is_refused_a_little_at_a_time(autojump_clock: MockClock) -> None:
    passes = Passes()
    trio.lowlevel.add_instrument(passes)
    shown: Counter[int] = Counter()
    async with hook_rig() as rig:
        rig.backend.script("*", hang)
        for number in range(100):
            lane = rig.lane(f"session{number}", StreamEvent=OVERWRITE)
            for _ in range(10):
                lane.event(EVENT, body(number, None), deliver=lambda _: shown.update([passes.number]))
        await trio.testing.wait_all_tasks_blocked()
        rig.dispatcher.stop(TEST_OVER)
        await rig.dispatcher.stopped.wait()
    assert shown.total() == 1000
    assert max(shown.values()) <= 2 * REFUSALS_PER_PASS


async def test_a_few_sessions_begin_at_once(autojump_clock: MockClock) -> None:
    passes = Passes()
    trio.lowlevel.add_instrument(passes)
    async with hook_rig() as rig:
        began = await begun_by_pass(rig, passes, sessions=STARTS_PER_PASS)
    assert list(began.values()) == [STARTS_PER_PASS]


async def test_what_begins_in_a_crowd_of_one_application_does_not_hold_up_another(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        other = evolve(APP, name="other", key="other")
        for number in range(1000):
            rig.lane(f"session{number}").notify(EVENT, body(number, "crowd"))
        rig.lane("alone", other).notify(EVENT, body(0, "alone"))
        await rig.dispatcher.drain(1000)
        assert rig.backend.told("payload").index("alone") <= 2 * STARTS_PER_PASS
