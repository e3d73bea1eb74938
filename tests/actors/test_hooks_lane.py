"""Lanes: order, one at a time, turns and deadlines, cancellation, and what a backend's policy changes."""

import itertools
import math
from typing import Any

import httpx
import pytest
import trio
import trio.testing
from attrs import evolve
from trio.testing import MockClock

from config.settings import HookOrder
from protocol.hooks import Allow, Deny, HookMethod, MethodConfig, RestClientConfig, RestOnError, RestPolicy
from tests.support.hook_rig import APP, TEST_OVER, Answer, after, dripping, echo, failing, hang, hook_rig, status

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
        assert await lane.gate(PUBLISH, {"n": 3}) == Allow(body={"n": 3})
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
        assert await rig.lane(publishStream=FAIL).gate(PUBLISH, {}) == Deny(info="Restricted access")
        assert trio.current_time() - began == pytest.approx(15.0)
        assert len(rig.backend.calls) == 1


async def test_time_in_the_lane_counts_for_a_gating_call(autojump_clock: MockClock) -> None:
    async with hook_rig(rest_request_timeout=10.0) as rig:
        rig.backend.script("*", after(6))
        lane = rig.lane(publishStream=FAIL)
        lane.notify(EVENT, {})
        began = trio.current_time()
        assert await lane.gate(PUBLISH, {}) == Deny(info="Restricted access")
        assert trio.current_time() - began == pytest.approx(10.0)


async def test_a_gating_call_whose_turn_never_comes_times_out_unsent_and_leaves_the_lane(
    autojump_clock: MockClock,
) -> None:
    async with hook_rig(rest_request_timeout=10.0) as rig:
        rig.backend.script("*", hang, hang, echo)
        lane = rig.lane(publishStream=FAIL)
        lane.notify(EVENT, {"n": 0})
        lane.notify(EVENT, {"n": 1})
        assert await lane.gate(PUBLISH, {"n": 2}) == Deny(info="Restricted access")
        lane.notify(EVENT, {"n": 3})
        await rig.dispatcher.drain(100)
        assert rig.backend.told("n") == [0, 1, 3]


async def test_a_timeout_of_zero_waits_for_as_long_as_it_takes(autojump_clock: MockClock) -> None:
    async with hook_rig(rest_request_timeout=math.inf) as rig:
        rig.backend.script("*", after(100_000))
        assert await rig.lane(publishStream=FAIL).gate(PUBLISH, {"a": 1}) == Allow(body={"a": 1})


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
            await lane.gate(PUBLISH, {"n": 1})
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
            seen.append(await lane.gate(PUBLISH, {"n": "waiting"}))

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        lane.event(EVENT, {"n": "last"}, deliver=seen.append)
        rig.dispatcher.stop(TEST_OVER)
        await rig.dispatcher.stopped.wait()
        assert await lane.gate(PUBLISH, {"n": "late"}) == Deny(info="Restricted access")
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
        assert await lane.gate(HookMethod.CONNECT, {"a": 1}) == Allow(body={"a": 1})
        await rig.dispatcher.drain(10)
        assert rig.backend.calls == []


async def test_a_disabled_method_is_not_called(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        rig.backend.script("*", status(403))
        lane = rig.lane(publishStream=evolve(DISABLED, rest_on_error=RestOnError.FAIL), StreamStatusEvent=DISABLED)
        assert await lane.gate(PUBLISH, {"a": 1}) == Allow(body={"a": 1})
        lane.notify(EVENT, {})
        await rig.dispatcher.drain(10)
        assert rig.backend.calls == []


async def test_with_hooks_switched_off_every_connection_is_accepted_and_nothing_is_sent(
    autojump_clock: MockClock,
) -> None:
    async with hook_rig(disable_rest_requests=True) as rig:
        lane = rig.lane(publishStream=FAIL)
        assert await lane.gate(HookMethod.CONNECT, {"a": 1}) == Allow(body={"a": 1})
        assert await lane.gate(PUBLISH, {"a": 1}) == Allow(body={"a": 1})
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
        judged = await lane.gate(PUBLISH, {"name": "public", "sdp": "v=0"})
        assert judged == Allow(body={"name": "real", "sdp": "v=0"})
        assert rig.backend.calls[0].body == {"name": "public"}


async def test_the_policies_of_connect_hold_from_then_on(autojump_clock: MockClock) -> None:
    policies = {"publishStream": {"restOnError": "FAIL"}, "StreamStatusEvent": {"restPolicy": "DISABLE"}}
    async with hook_rig() as rig:
        rig.backend.script("connect", status(200, {"restClientConfig": policies}))
        rig.backend.script("publishStream", status(403, {"info": "not you"}))
        lane = rig.lane()
        judged = await lane.gate(HookMethod.CONNECT, {"appKey": "testApp"})
        assert judged == Allow(body={"appKey": "testApp"}, config=lane.config)
        assert lane.config.for_method(PUBLISH) == FAIL
        assert await lane.gate(PUBLISH, {}) == Deny(info="not you")
        lane.notify(EVENT, {})
        await rig.dispatcher.drain(10)
        assert [call.method for call in rig.backend.calls] == ["connect", "publishStream"]


async def test_a_denied_connect_leaves_the_policies_as_they_were(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        rig.backend.script("connect", status(403, {"restClientConfig": {"publishStream": {"restOnError": "FAIL"}}}))
        lane = rig.lane()
        assert await lane.gate(HookMethod.CONNECT, {}) == Deny(info="Restricted access")
        assert lane.config == RestClientConfig()


# -- events ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [status(500), status(403), hang, failing(httpx.ConnectError("refused"))])
@pytest.mark.parametrize("policy", [MethodConfig(), FAIL])
async def test_a_failed_event_warns_the_client_under_fail_alone(
    autojump_clock: MockClock, answer: Answer, policy: MethodConfig
) -> None:
    async with hook_rig() as rig:
        rig.backend.script("*", answer)
        lane = rig.lane(StreamStatusEvent=policy)
        lane.notify(EVENT, {})
        await rig.dispatcher.drain(100)
        assert [method for method, _ in rig.warnings] == ([EVENT] if policy is FAIL else [])


async def test_a_closed_lane_takes_nothing_more_sends_what_waits_and_warns_nobody(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        rig.backend.script("*", after(1, status(500)))
        lane = rig.lane(StreamStatusEvent=FAIL)
        lane.notify(EVENT, {"n": 0})
        lane.notify(EVENT, {"n": 1}, last=True)
        lane.close()
        lane.notify(EVENT, {"n": 2})
        assert await lane.gate(HookMethod.CONNECT, {"n": 3}) == Deny(info="Restricted access")
        await rig.dispatcher.drain(10)
        assert rig.backend.told("n") == [0, 1]
        assert rig.warnings == []


async def test_a_notified_event_reaches_the_client_at_once(autojump_clock: MockClock) -> None:
    policy = MethodConfig(client_exclude=frozenset({"name"}), rest_exclude=frozenset({"sdp"}))
    shown: list[object] = []
    async with hook_rig() as rig:
        rig.lane(StreamStatusEvent=policy).event(EVENT, {"name": "x", "sdp": "v=0"}, deliver=shown.append)
        assert shown == [{"sdp": "v=0"}]
        await rig.dispatcher.drain(10)
        assert rig.backend.calls[0].body == {"name": "x"}


async def test_an_overwritten_event_reaches_the_client_after_the_answer(autojump_clock: MockClock) -> None:
    policy = MethodConfig(
        rest_policy=RestPolicy.OVERWRITE, rest_overwrite=frozenset({"info"}), client_exclude=frozenset({"name"})
    )
    shown: list[Any] = []
    async with hook_rig() as rig:
        rig.backend.script("*", after(2, status(200, {"info": "watched"})), after(2))
        lane = rig.lane(StreamStatusEvent=policy)
        assert lane.overwrites(EVENT)
        assert not lane.overwrites(PUBLISH)
        began = trio.current_time()
        for state in ("PLAYING", "STOPPED"):
            lane.event(
                EVENT,
                {"status": state, "name": "x"},
                deliver=lambda body: shown.append((trio.current_time() - began, body)),
            )
        assert shown == []
        await rig.dispatcher.drain(10)
        assert shown == [
            (pytest.approx(2), {"status": "PLAYING", "info": "watched"}),
            (pytest.approx(4), {"status": "STOPPED"}),
        ]


async def test_an_overwritten_event_that_fails_is_shown_as_it_was(autojump_clock: MockClock) -> None:
    shown: list[object] = []
    async with hook_rig() as rig:
        rig.backend.script("*", status(500))
        lane = rig.lane(StreamStatusEvent=evolve(OVERWRITE_NAME, rest_on_error=RestOnError.FAIL))
        lane.event(EVENT, {"name": "x"}, deliver=shown.append)
        await rig.dispatcher.drain(10)
        assert shown == [{"name": "x"}]
        assert rig.warnings == [(EVENT, "StreamStatusEvent: backend answered 500")]


async def test_a_client_waits_for_the_deadline_and_no_longer_and_the_event_is_sent_all_the_same(
    autojump_clock: MockClock,
) -> None:
    shown: list[Any] = []
    async with hook_rig(rest_request_timeout=10.0) as rig:
        rig.backend.script("publishStream", hang)
        lane = rig.lane(StreamStatusEvent=evolve(OVERWRITE_NAME, rest_on_error=RestOnError.FAIL))
        began = trio.current_time()
        for number in range(2):
            lane.notify(PUBLISH, {"n": number})
        for number in range(2, 5):
            lane.event(
                EVENT, {"n": number}, deliver=lambda body: shown.append((trio.current_time() - began, body["n"]))
            )
        await rig.dispatcher.drain(100)
        assert sorted(shown) == [(pytest.approx(10), 2), (pytest.approx(10), 3), (pytest.approx(10), 4)]
        assert rig.warnings == [(EVENT, "StreamStatusEvent: backend did not answer in time")] * 3
        assert rig.backend.told("n") == [0, 1, 2, 3, 4]


# -- piling up ---------------------------------------------------------------------------------------------------------


async def test_a_full_lane_drops_its_oldest_plain_notification_and_last_ones_at_last(autojump_clock: MockClock) -> None:
    async with hook_rig(rest_lane_size=3) as rig:
        rig.backend.script("*", after(1))
        lane = rig.lane()
        lane.notify(EVENT, {"n": "in flight"})
        await trio.testing.wait_all_tasks_blocked()
        lane.notify(EVENT, {"n": "first end"}, last=True)
        for number in range(5):
            lane.notify(EVENT, {"n": number})
        statistics = rig.dispatcher.statistics()
        assert (statistics.waiting, statistics.dropped, statistics.dropped_last) == (3, 3, 0)
        for number in range(3):
            lane.notify(EVENT, {"n": f"end {number}"}, last=True)
        statistics = rig.dispatcher.statistics()
        assert (statistics.waiting, statistics.dropped, statistics.dropped_last) == (3, 5, 1)
        await rig.dispatcher.drain(10)
        assert rig.backend.told("n") == ["in flight", "end 0", "end 1", "end 2"]


async def test_a_gating_call_is_never_dropped(autojump_clock: MockClock) -> None:
    async with hook_rig(rest_lane_size=1) as rig, trio.open_nursery() as nursery:
        rig.backend.script("*", after(1))
        lane = rig.lane()
        lane.notify(EVENT, {"n": 0})
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(lane.gate, PUBLISH, {"n": "gate"})
        await trio.testing.wait_all_tasks_blocked()
        for number in range(1, 5):
            lane.notify(EVENT, {"n": number})
        await rig.dispatcher.drain(10)
        assert rig.backend.told("n") == [0, "gate", 4]


async def test_the_sum_of_all_lanes_is_bounded_at_the_cost_of_what_waits_longest(autojump_clock: MockClock) -> None:
    async with hook_rig(rest_lanes_total=5) as rig:
        rig.backend.script("*", after(1))
        stuck, other = rig.lane("stuck"), rig.lane("other")
        for lane in (stuck, other):
            lane.notify(EVENT, {"n": "in flight"})
        await trio.testing.wait_all_tasks_blocked()
        for number in range(5):
            stuck.notify(EVENT, {"n": f"stuck {number}"}, last=number == 0)
        for number in range(4):
            other.notify(EVENT, {"n": f"other {number}"})
        assert rig.dispatcher.statistics().waiting == 5
        assert rig.dispatcher.statistics().dropped == 4
        await rig.dispatcher.drain(10)
        kept = [told for told in rig.backend.told("n") if told != "in flight"]
        assert sorted(kept) == ["other 0", "other 1", "other 2", "other 3", "stuck 0"]


async def test_a_dropped_event_reaches_its_client_at_once(autojump_clock: MockClock) -> None:
    shown: list[object] = []
    async with hook_rig(rest_lane_size=1) as rig:
        rig.backend.script("*", after(5))
        lane = rig.lane(StreamStatusEvent=OVERWRITE_NAME)
        lane.notify(PUBLISH, {"n": 0})
        await trio.testing.wait_all_tasks_blocked()
        lane.event(EVENT, {"n": 1}, deliver=shown.append)
        assert shown == []
        lane.notify(PUBLISH, {"n": 2})
        assert shown == [{"n": 1}]


# -- the end -----------------------------------------------------------------------------------------------------------


async def test_draining_sends_what_waits_and_no_longer_than_allowed(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        rig.backend.script("*", after(2))
        lane = rig.lane()
        for number in range(10):
            lane.notify(EVENT, {"n": number})
        began = trio.current_time()
        assert await rig.dispatcher.drain(5) == 7
        assert trio.current_time() - began == pytest.approx(5)
        assert await rig.dispatcher.drain(100) == 0
        assert rig.backend.told("n") == list(range(10))


async def test_draining_nothing_takes_no_time(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        began = trio.current_time()
        assert await rig.dispatcher.drain(5) == 0
        assert trio.current_time() == began
