"""Keep-alives: a slot for each stream, one walker for all, and what the answers do."""

import itertools
import logging
from collections import Counter
from typing import Any

import httpx
import pytest
import trio
import trio.testing
from attrs import define, evolve
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.runtime.actor import StopReason
from actors.stream.keep_alive_schedule import Walk
from config.live import Live
from protocol.hooks import HookMethod, MethodConfig, RestOnError, RestPolicy, Verdict
from tests.support.hooks.hook_rig import APP, TEST_OVER, Answer, HookRig, after, echo, failing, hang, hook_rig, status
from tests.support.hooks.keep_alive_rig import Stream, keep_alive_settings, stream, walker_over

KEEP_ALIVE = HookMethod.STREAM_KEEP_ALIVE_EVENT
FAIL = MethodConfig(rest_on_error=RestOnError.FAIL, rest_exclude=frozenset({"sdp"}))


# -- the slot ----------------------------------------------------------------------------------------------------------


async def test_a_slot_has_one_call_under_way_and_none_waiting(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        rig.backend.script("*", after(3))
        slot = rig.lane().keep_alive_slot()
        verdicts: list[Verdict] = []
        assert slot.send({"n": 0}, verdicts.append)
        assert not slot.send({"n": 1}, verdicts.append)
        await trio.sleep(4)
        assert slot.is_ready
        assert slot.send({"n": 2}, verdicts.append)
        await trio.sleep(4)
        assert len(verdicts) == 2
        assert rig.backend.told("n") == [0, 2]


async def test_a_keep_alive_waits_for_no_lane_and_holds_up_none(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        rig.backend.script("*", hang)
        lane = rig.lane()
        lane.notify(HookMethod.STREAM_STATUS_EVENT, {})
        slots = [lane.keep_alive_slot() for _ in range(3)]
        for slot in slots:
            slot.send({}, lambda judged: None)
        await trio.testing.wait_all_tasks_blocked()
        assert Counter(call.method for call in rig.backend.under_way) == {KEEP_ALIVE: 3, "StreamStatusEvent": 1}


async def test_closing_a_slot_tears_its_call_down_and_asks_no_more(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        rig.backend.script("*", hang)
        verdicts: list[Verdict] = []
        slot = rig.lane().keep_alive_slot()
        slot.send({}, verdicts.append)
        await trio.testing.wait_all_tasks_blocked()
        slot.close()
        await trio.testing.wait_all_tasks_blocked()
        assert rig.backend.under_way == []
        assert verdicts == []
        assert not slot.send({}, verdicts.append)


async def test_only_failed_keep_alives_are_told_at_info(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with hook_rig() as rig:
        rig.backend.script("*", echo, status(500))
        slot = rig.lane().keep_alive_slot()
        for _ in range(2):
            slot.send({}, lambda judged: None)
            await trio.sleep(1)
    assert [record.getMessage() for record in caplog.records] == ["Got exception in REST"]


async def test_closing_a_slot_from_its_own_answer_is_fine(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        slot = rig.lane().keep_alive_slot()
        slot.send({}, lambda judged: slot.close())
        await trio.sleep(1)
        assert not slot.is_ready


@pytest.mark.parametrize("policy", [MethodConfig(), MethodConfig(rest_policy=RestPolicy.DISABLE)])
async def test_a_slot_is_never_ready_for_what_is_not_wanted(autojump_clock: MockClock, policy: MethodConfig) -> None:
    app = evolve(APP, methods=APP.methods - ({KEEP_ALIVE.value} if policy == MethodConfig() else set()))
    async with hook_rig(app) as rig:
        slot = rig.lane(app=app, StreamKeepAliveEvent=policy).keep_alive_slot()
        assert not slot.is_ready
        assert not slot.send({}, lambda judged: None)


async def test_a_slot_of_a_stopped_dispatcher_is_never_ready(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        slot = rig.lane().keep_alive_slot()
        assert slot.is_ready
        rig.dispatcher.stop(TEST_OVER)
        assert not slot.send({}, lambda judged: None)


# -- the walk ----------------------------------------------------------------------------------------------------------


@define(eq=False)
class Target:
    """Just enough for `Walk.due`."""

    media_session_id: str
    app_key: str = "a"


def due(walker: Walk, targets: list[Any], now: float) -> list[Any]:
    """A whole round at once."""
    walker.begin()
    return walker.due(targets, now)


def walk(targets: list[Any], *, interval: float = 10.0, until: float = 100.0) -> Counter[tuple[str, int]]:
    """How often each target's turn came in each interval."""
    walker = Walk(interval, ["a"])
    turns: Counter[tuple[str, int]] = Counter()
    now = 0.0
    while now < until:
        for target in due(walker, targets, now):
            turns[target.media_session_id, int(now // interval)] += 1
        now += walker.step
    return turns


@given(st.sets(st.text(max_size=20), min_size=1, max_size=20))
def test_every_stream_has_one_turn_in_each_interval(names: set[str]) -> None:
    turns = walk([Target(name) for name in names], until=50.0)
    per_stream = Counter(name for name, _ in turns.elements())
    assert per_stream.keys() == names
    assert all(4 <= count <= 5 for count in per_stream.values())


def test_turns_are_spread_over_the_interval() -> None:
    walker = Walk(10.0, ["a"])
    targets: list[Any] = [Target(f"stream-{number}") for number in range(10_000)]
    due(walker, targets, 0.0)
    counts = [len(due(walker, targets, step * walker.step)) for step in range(1, 51)]
    assert sum(counts) == 10_000
    assert max(counts) < 280  # 200 on average


def test_a_round_in_slices_is_the_round_of_all() -> None:
    whole, sliced = Walk(10.0, ["a"]), Walk(10.0, ["a"])
    targets: list[Any] = [Target(f"stream-{number}") for number in range(100)]
    for step in range(120):
        now = step * whole.step
        sliced.begin()
        parts = [sliced.due(targets[start : start + 7], now) for start in range(0, 100, 7)]
        assert [target for part in parts for target in part] == due(whole, targets, now)


def test_streams_of_other_applications_are_passed_by() -> None:
    assert walk([Target("x", app_key="b")]) == {}


def test_a_walk_that_was_held_up_asks_once_and_keeps_its_rhythm() -> None:
    walker = Walk(10.0, ["a"])
    targets: list[Any] = [Target("x")]
    due(walker, targets, 0.0)
    first = next(step / 10 for step in range(101) if due(walker, targets, step / 10))
    assert len(due(walker, targets, first + 47.0)) == 1
    assert due(walker, targets, first + 49.9) == []
    assert len(due(walker, targets, first + 50.1)) == 1


def test_ended_streams_are_forgotten() -> None:
    walker = Walk(10.0, ["a"])
    gone: list[Any] = [Target("x")]
    due(walker, gone, 0.0)
    due(walker, [], 1.0)
    assert due(walker, gone, 20.0) == []


@pytest.mark.parametrize(("interval", "step"), [(0.1, 0.01), (1.0, 0.02), (10.0, 0.2), (60.0, 0.2)])
def test_steps_are_short_for_short_intervals(interval: float, step: float) -> None:
    assert Walk(interval, []).step == pytest.approx(step)


# -- the walker --------------------------------------------------------------------------------------------------------


async def keep_alive(rig: HookRig, streams: list[Stream], *, seconds: float, interval: float = 10.0) -> None:
    """Walk for some time."""
    walker = walker_over(keep_alive_settings(interval), streams)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(walker.run)
        await trio.sleep(seconds)
        walker.stop(TEST_OVER)


async def test_each_stream_is_asked_for_once_an_interval(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        lane = rig.lane(StreamKeepAliveEvent=FAIL)
        await keep_alive(rig, [stream(lane, "a"), stream(lane, "b")], seconds=60)
        asked = Counter(rig.backend.told("mediaSessionId"))
        assert asked.keys() == {"a", "b"}
        assert all(5 <= count <= 6 for count in asked.values())
        assert "sdp" not in rig.backend.calls[0].body


async def test_a_stream_that_cannot_be_asked_for_holds_up_no_other(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with hook_rig() as rig:
        lane = rig.lane(StreamKeepAliveEvent=FAIL)
        await keep_alive(rig, [stream(lane, "broken"), stream(lane, "b")], seconds=25)
        assert set(rig.backend.told("mediaSessionId")) == {"b"}
    assert "keep-alive crashed" in caplog.messages


async def test_403_stops_that_stream_alone(autojump_clock: MockClock) -> None:
    async def refuse_a(request: httpx.Request) -> httpx.Response:
        return await (status(403) if b'"a"' in request.content else echo)(request)

    async with hook_rig() as rig:
        rig.backend.script("*", refuse_a)
        lane = rig.lane(StreamKeepAliveEvent=FAIL)
        streams = [stream(lane, "a"), stream(lane, "b")]
        await keep_alive(rig, streams, seconds=45)
        assert streams[0].stopped == [StopReason(cause="keep-alive", info="Terminated by keep-alive")]
        assert streams[1].stopped == []
        assert rig.backend.told("mediaSessionId").count("a") == 1


@pytest.mark.parametrize("answer", [status(500), status(404), failing(httpx.ConnectError("refused")), hang])
async def test_any_other_failure_warns_and_keeps_the_stream(autojump_clock: MockClock, answer: Answer) -> None:
    async with hook_rig(rest_request_timeout=5.0) as rig:
        rig.backend.script("*", answer)
        streams = [stream(rig.lane(StreamKeepAliveEvent=FAIL), "a")]
        await keep_alive(rig, streams, seconds=28)
        assert streams[0].stopped == []
        assert {method for method, _ in streams[0].warnings} == {KEEP_ALIVE}
        assert 2 <= len(streams[0].warnings) <= 3


async def test_without_fail_not_even_403_changes_anything(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        rig.backend.script("*", status(403))
        streams = [stream(rig.lane(), "a")]
        await keep_alive(rig, streams, seconds=28)
        assert (streams[0].stopped, streams[0].warnings) == ([], [])
        assert len(rig.backend.calls) >= 2


async def test_an_unanswered_question_costs_its_stream_a_turn_and_no_other(autojump_clock: MockClock) -> None:
    async def hang_for_a(request: httpx.Request) -> httpx.Response:
        return await (after(25) if b'"a"' in request.content else echo)(request)

    async with hook_rig(rest_request_timeout=100.0) as rig:
        rig.backend.script("*", hang_for_a)
        lane = rig.lane(StreamKeepAliveEvent=FAIL)
        await keep_alive(rig, [stream(lane, "a"), stream(lane, "b")], seconds=90)
        asked = Counter(rig.backend.told("mediaSessionId"))
        assert asked["b"] in (8, 9)
        assert asked["a"] == 3


# -- what an answer may say --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [FAIL, MethodConfig()])
async def test_a_stream_ends_when_its_time_is_over(autojump_clock: MockClock, policy: MethodConfig) -> None:
    async with hook_rig() as rig:
        rig.backend.script("*", status(200, {"expiresInMs": 4000}), hang)
        lane = rig.lane(StreamKeepAliveEvent=policy)
        streams = [stream(lane, "a")]
        began = trio.current_time()
        await keep_alive(rig, streams, seconds=20)
        (asked, *_) = rig.backend.calls
        assert streams[0].stopped == [StopReason(cause="keep-alive", info="Terminated by keep-alive")]
        assert asked.began - began <= 10.2
        assert streams[0].keep_alive_slot.expires_at == pytest.approx(asked.began + 4)


async def test_a_later_answer_moves_the_end_or_lifts_it(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        rig.backend.script("*", *[status(200, {"expiresInMs": 12_000})] * 3, echo)
        streams = [stream(rig.lane(), "a")]
        await keep_alive(rig, streams, seconds=100)
        assert streams[0].stopped == []


async def test_an_outage_does_not_prolong_the_time(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        rig.backend.script("*", status(200, {"expiresInMs": 12_000}), status(500))
        streams = [stream(rig.lane(), "a")]
        await keep_alive(rig, streams, seconds=40)
        assert len(streams[0].stopped) == 1


async def test_a_limited_time_ends_also_when_keep_alives_were_turned_off_meanwhile(autojump_clock: MockClock) -> None:
    live = Live(keep_alive_settings())
    async with hook_rig() as rig, trio.open_nursery() as nursery:
        rig.backend.script("*", status(200, {"expiresInMs": 20_000}), echo)
        lane = rig.lane()
        limited, free = stream(lane, "a"), stream(lane, "b")
        walker = walker_over(live.settings, [limited, free])
        nursery.start_soon(walker.run)
        await trio.sleep(10.5)  # each was asked for once
        live.replace(evolve(live.now, keep_alive_streaming_sessions_enabled=False))
        await trio.sleep(30)
        assert len(rig.backend.calls) == 2
        assert sorted(len(each.stopped) for each in (limited, free)) == [0, 1]
        assert not walker._some_expire  # nothing is left to look for
        walker.stop(TEST_OVER)


async def test_the_next_turn_can_be_chosen_once(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        answers = [status(200, {"nextInMs": 2000}), status(200, {"nextInMs": 30_000}), echo]
        rig.backend.script("*", *answers)
        await keep_alive(rig, [stream(rig.lane(), "a")], seconds=70)
        times = [call.began for call in rig.backend.calls]
        gaps = [after - before for before, after in itertools.pairwise(times)]
        assert gaps[:3] == pytest.approx([2, 30, 10], abs=0.41)


async def test_terms_that_are_no_numbers_are_told(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    async with hook_rig() as rig:
        rig.backend.script("*", status(200, {"expiresInMs": "soon"}))
        streams = [stream(rig.lane(), "a")]
        await keep_alive(rig, streams, seconds=15)
        assert streams[0].stopped == []
    assert "odd answer" in caplog.messages
