"""Lanes: order, one at a time, turns and deadlines, cancellation, and what a backend's policy changes."""

import itertools
import math
from typing import Any

import pytest
import trio
import trio.testing
from attrs import evolve
from trio.testing import MockClock

from config.settings import HookOrder
from protocol.hooks import Allow, Deny, HookMethod, MethodConfig, RestClientConfig, RestOnError, RestPolicy
from tests.support.hooks.hook_rig import APP, TEST_OVER, Answer, after, dripping, echo, hang, hook_rig, status

EVENT = HookMethod.STREAM_STATUS_EVENT
PUBLISH = HookMethod.PUBLISH_STREAM
FAIL = MethodConfig(rest_on_error=RestOnError.FAIL)
OVERWRITE_NAME = MethodConfig(rest_policy=RestPolicy.OVERWRITE, rest_overwrite=frozenset({"name"}))
DISABLED = MethodConfig(rest_policy=RestPolicy.DISABLE)


def overlaps(spans: list[tuple[float, float | None]]) -> bool:
    ordered = sorted((began, math.inf if ended is None else ended) for began, ended in spans)
    return any(later[0] < earlier[1] for earlier, later in itertools.pairwise(ordered))


# -- order -------------------------------------------------------------------------------------------------------------


async def test_calls_of_a_session_keep_their_order_and_never_overlap(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        rig.backend.script("*", after(0.3), after(0.2), after(0.1), after(0.05))
        lane = rig.lane()
        for number in range(3):
            lane.notify(EVENT, {"n": number})
        assert await lane.authorize(PUBLISH, {"n": 3}) == Allow(body={"n": 3})
        lane.notify(EVENT, {"n": 4})
        await rig.dispatcher.drain(10)
        assert rig.backend.told("n") == [0, 1, 2, 3, 4]
        assert not overlaps([(call.began, call.ended) for call in rig.backend.calls])


async def test_sessions_do_not_wait_for_each_other(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        rig.backend.script("*", after(1.0))
        for number in range(20):
            rig.lane(f"session{number}").notify(EVENT, {"n": number})
        await rig.dispatcher.drain(10)
        assert {call.began for call in rig.backend.calls} == {rig.backend.calls[0].began}


async def test_global_order_puts_all_sessions_in_one_line(autojump_clock: MockClock) -> None:
    async with hook_rig(rest_hook_order=HookOrder.GLOBAL) as rig:
        rig.backend.script("*", after(0.5))
        for number in range(6):
            rig.lane(f"session{number % 3}").notify(EVENT, {"n": number})
        await rig.dispatcher.drain(10)
        assert rig.backend.told("n") == [0, 1, 2, 3, 4, 5]
        assert not overlaps([(call.began, call.ended) for call in rig.backend.calls])


async def test_a_lane_rests_and_works_again(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        lane = rig.lane()
        for number in range(3):
            lane.notify(EVENT, {"n": number})
            await rig.dispatcher.drain(10)
            assert rig.dispatcher.nursery.child_tasks == frozenset()
        assert rig.backend.told("n") == [0, 1, 2]


# -- deadlines ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [hang, after(20), dripping(3), after(14, dripping(1))])
async def test_one_deadline_holds_for_the_whole_call(autojump_clock: MockClock, answer: Answer) -> None:
    async with hook_rig(rest_request_timeout=15.0) as rig:
        rig.backend.script("*", answer)
        began = trio.current_time()
        assert await rig.lane(publishStream=FAIL).authorize(PUBLISH, {}) == Deny(info="Restricted access")
        assert trio.current_time() - began == pytest.approx(15.0)
        assert len(rig.backend.calls) == 1


async def test_time_in_the_lane_counts_for_a_gating_call(autojump_clock: MockClock) -> None:
    async with hook_rig(rest_request_timeout=10.0) as rig:
        rig.backend.script("*", after(6))
        lane = rig.lane(publishStream=FAIL)
        lane.notify(EVENT, {})
        began = trio.current_time()
        assert await lane.authorize(PUBLISH, {}) == Deny(info="Restricted access")
        assert trio.current_time() - began == pytest.approx(10.0)


async def test_a_gating_call_whose_turn_never_comes_times_out_unsent_and_leaves_the_lane(
    autojump_clock: MockClock,
) -> None:
    async with hook_rig(rest_request_timeout=10.0) as rig:
        rig.backend.script("*", hang, hang, echo)
        lane = rig.lane(publishStream=FAIL)
        lane.notify(EVENT, {"n": 0})
        lane.notify(EVENT, {"n": 1})
        assert await lane.authorize(PUBLISH, {"n": 2}) == Deny(info="Restricted access")
        lane.notify(EVENT, {"n": 3})
        await rig.dispatcher.drain(100)
        assert rig.backend.told("n") == [0, 1, 3]


async def test_a_timeout_of_zero_waits_for_as_long_as_it_takes(autojump_clock: MockClock) -> None:
    async with hook_rig(rest_request_timeout=math.inf) as rig:
        rig.backend.script("*", after(100_000))
        assert await rig.lane(publishStream=FAIL).authorize(PUBLISH, {"a": 1}) == Allow(body={"a": 1})


async def test_a_notification_has_its_deadline_from_when_it_is_sent(autojump_clock: MockClock) -> None:
    async with hook_rig(rest_request_timeout=10.0) as rig:
        rig.backend.script("*", after(6))
        lane = rig.lane(StreamStatusEvent=FAIL)
        for _ in range(4):
            lane.notify(EVENT, {})
        await rig.dispatcher.drain(100)
        assert rig.warnings == []
        assert len(rig.backend.calls) == 4


# -- cancellation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", [0.0, 0.5, 1.5])
async def test_a_cancelled_owner_takes_its_call_along_wherever_it_is(autojump_clock: MockClock, moment: float) -> None:
    """At 0 and 0.5 s the call waits for its turn, at 1.5 s for its answer."""
    async with hook_rig() as rig:
        rig.backend.script("StreamStatusEvent", after(1.0))
        rig.backend.script("publishStream", hang)
        lane = rig.lane()
        lane.notify(EVENT, {"n": 0})
        with trio.move_on_after(moment) as scope:
            await lane.authorize(PUBLISH, {"n": 1})
        assert scope.cancelled_caught
        assert "publishStream" not in [call.method for call in rig.backend.under_way]
        lane.notify(EVENT, {"n": 2})
        await rig.dispatcher.drain(10)
        assert rig.backend.told("n") == ([0, 1, 2] if moment > 1 else [0, 2])


async def test_a_stopped_dispatcher_answers_every_asker(autojump_clock: MockClock) -> None:
    seen: list[Any] = []
    async with hook_rig() as rig, trio.open_nursery() as nursery:
        rig.backend.script("*", hang)
        lane = rig.lane(publishStream=FAIL, StreamStatusEvent=OVERWRITE_NAME)
        lane.event(EVENT, {"n": "under way"}, deliver=seen.append)

        async def ask() -> None:
            seen.append(await lane.authorize(PUBLISH, {"n": "waiting"}))

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        lane.event(EVENT, {"n": "last"}, deliver=seen.append)
        rig.dispatcher.stop(TEST_OVER)
        await rig.dispatcher.stopped.wait()
        assert await lane.authorize(PUBLISH, {"n": "late"}) == Deny(info="Restricted access")
        lane.event(EVENT, {"n": "too late"}, deliver=seen.append)
    expected = [{"n": "under way"}, Deny(info="Restricted access"), {"n": "last"}, {"n": "too late"}]
    assert sorted(seen, key=repr) == sorted(expected, key=repr)
    assert rig.backend.told("n") == ["under way"]


# -- what is sent ------------------------------------------------------------------------------------------------------


async def test_a_method_that_the_application_does_not_have_is_not_called(autojump_clock: MockClock) -> None:
    app = evolve(APP, methods=frozenset({"publishStream"}))
    async with hook_rig(app) as rig:
        lane = rig.lane(app=app)
        assert not lane.sends(EVENT)
        lane.notify(EVENT, {})
        shown: list[object] = []
        lane.event(EVENT, {"a": 1}, deliver=shown.append)
        assert shown == [{"a": 1}]
        assert await lane.authorize(HookMethod.CONNECT, {"a": 1}) == Allow(body={"a": 1})
        await rig.dispatcher.drain(10)
        assert rig.backend.calls == []


async def test_a_disabled_method_is_not_called(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        rig.backend.script("*", status(403))
        lane = rig.lane(publishStream=evolve(DISABLED, rest_on_error=RestOnError.FAIL), StreamStatusEvent=DISABLED)
        assert await lane.authorize(PUBLISH, {"a": 1}) == Allow(body={"a": 1})
        lane.notify(EVENT, {})
        await rig.dispatcher.drain(10)
        assert rig.backend.calls == []


async def test_with_hooks_switched_off_every_connection_is_accepted_and_nothing_is_sent(
    autojump_clock: MockClock,
) -> None:
    async with hook_rig(disable_rest_requests=True) as rig:
        lane = rig.lane(publishStream=FAIL)
        assert await lane.authorize(HookMethod.CONNECT, {"a": 1}) == Allow(body={"a": 1})
        assert await lane.authorize(PUBLISH, {"a": 1}) == Allow(body={"a": 1})
        lane.notify(EVENT, {})
        await rig.dispatcher.drain(10)
        assert rig.backend.calls == []


async def test_a_change_of_the_application_holds_for_the_next_call(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        lane = rig.lane()
        lane.notify(EVENT, {})
        rig.apps[APP.key] = evolve(APP, url="https://other.test/hooks/")
        lane.notify(EVENT, {})
        await rig.dispatcher.drain(10)
        rig.apps[APP.key] = evolve(APP, methods=frozenset())
        lane.notify(EVENT, {})
        del rig.apps[APP.key]
        lane.notify(EVENT, {})
        await rig.dispatcher.drain(10)
        assert [str(call.request.url) for call in rig.backend.calls] == [
            "https://other.test/hooks/StreamStatusEvent",
            "https://other.test/hooks/StreamStatusEvent",
            "http://backend.test/api/StreamStatusEvent",
        ]


async def test_excluded_fields_stay_from_the_backend_and_come_back_in_the_verdict(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        rig.backend.script("publishStream", status(200, {"name": "real"}))
        lane = rig.lane(publishStream=evolve(OVERWRITE_NAME, rest_exclude=frozenset({"sdp"})))
        judged = await lane.authorize(PUBLISH, {"name": "public", "sdp": "v=0"})
        assert judged == Allow(body={"name": "real", "sdp": "v=0"})
        assert rig.backend.calls[0].body == {"name": "public"}


async def test_the_policies_of_connect_hold_from_then_on(autojump_clock: MockClock) -> None:
    policies = {"publishStream": {"restOnError": "FAIL"}, "StreamStatusEvent": {"restPolicy": "DISABLE"}}
    async with hook_rig() as rig:
        rig.backend.script("connect", status(200, {"restClientConfig": policies}))
        rig.backend.script("publishStream", status(403, {"info": "not you"}))
        lane = rig.lane()
        judged = await lane.authorize(HookMethod.CONNECT, {"appKey": "testApp"})
        assert judged == Allow(body={"appKey": "testApp"}, config=lane.config)
        assert lane.config.for_method(PUBLISH) == FAIL
        assert await lane.authorize(PUBLISH, {}) == Deny(info="not you")
        lane.notify(EVENT, {})
        await rig.dispatcher.drain(10)
        assert [call.method for call in rig.backend.calls] == ["connect", "publishStream"]


async def test_a_denied_connect_leaves_the_policies_as_they_were(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        rig.backend.script("connect", status(403, {"restClientConfig": {"publishStream": {"restOnError": "FAIL"}}}))
        lane = rig.lane()
        assert await lane.authorize(HookMethod.CONNECT, {}) == Deny(info="Restricted access")
        assert lane.config == RestClientConfig()
