"""Events to client and backend, what is dropped when they pile up, and how a dispatcher ends."""

from typing import Any

import httpx
import pytest
import trio
import trio.testing
from attrs import evolve
from trio.testing import MockClock

from protocol.hooks import Deny, HookMethod, MethodConfig, RestOnError, RestPolicy
from tests.support.hooks.hook_rig import Answer, after, failing, hang, hook_rig, status

EVENT = HookMethod.STREAM_STATUS_EVENT
PUBLISH = HookMethod.PUBLISH_STREAM
FAIL = MethodConfig(rest_on_error=RestOnError.FAIL)
OVERWRITE_NAME = MethodConfig(rest_policy=RestPolicy.OVERWRITE, rest_overwrite=frozenset({"name"}))


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
        assert await lane.authorize(HookMethod.CONNECT, {"n": 3}) == Deny(info="Restricted access")
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


async def test_events_that_wait_for_their_answer_take_one_task_in_a_session(autojump_clock: MockClock) -> None:
    shown: list[object] = []
    async with hook_rig(rest_request_timeout=10.0) as rig:
        rig.backend.script("*", hang)
        lane = rig.lane(StreamStatusEvent=OVERWRITE_NAME)
        for number in range(1000):
            lane.event(EVENT, {"name": number}, deliver=shown.append)
        await trio.testing.wait_all_tasks_blocked()
        assert len(rig.dispatcher.nursery.child_tasks) == 2
        assert shown == []
        await trio.sleep(11)
        assert shown == [{"name": number} for number in range(1000)]


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
        nursery.start_soon(lane.authorize, PUBLISH, {"n": "gate"})
        await trio.testing.wait_all_tasks_blocked()
        for number in range(1, 5):
            lane.notify(EVENT, {"n": number})
        await rig.dispatcher.drain(10)
        assert rig.backend.told("n") == [0, "gate", 4]


async def test_the_sum_of_all_lanes_is_bounded_at_the_cost_of_who_holds_the_most(autojump_clock: MockClock) -> None:
    async with hook_rig(rest_lanes_total=5) as rig:
        rig.backend.script("*", after(1))
        stuck, other = rig.lane("stuck"), rig.lane("other")
        for lane in (stuck, other):
            lane.notify(EVENT, {"n": "in flight"})
        await trio.testing.wait_all_tasks_blocked()
        for number in range(8):
            stuck.notify(EVENT, {"n": f"stuck {number}"}, last=number == 0)
        other.notify(EVENT, {"n": "other 0"})
        assert rig.dispatcher.statistics().waiting == 5
        assert rig.dispatcher.statistics().dropped == 4
        await rig.dispatcher.drain(10)
        kept = [told for told in rig.backend.told("n") if told != "in flight"]
        assert sorted(kept) == ["other 0", "stuck 0", "stuck 5", "stuck 6", "stuck 7"]


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
