"""Overload: when it begins and ends, and what is refused meanwhile."""

import math

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from actors.runtime.overload import CALM_TICK, HOLD, TICK, Overload
from tests.support.session.signaling_rig import SignalingRig, signaling_rig, stream_request


def note(overload: Overload, *lags: float, start: float = 0.0) -> float:
    """Measurements one after the other; the time of the last."""
    now = start
    for lag in lags:
        now += TICK + lag
        overload.note(lag, now)
    return now


def test_one_long_wait_is_no_overload_several_in_a_row_are() -> None:
    overload = Overload(0.3)
    now = note(overload, 0.0, 20.0, *[0.0] * 40)
    assert not overload.is_on
    note(overload, *[0.5] * 5, start=now)
    assert overload.is_on


def test_a_lag_below_the_limit_is_none_however_long_it_lasts() -> None:
    overload = Overload(0.3)
    note(overload, *[0.29] * 1000)
    assert not overload.is_on


def test_it_ends_when_the_lag_has_been_small_for_a_while_and_not_before() -> None:
    overload = Overload(0.3)
    now = note(overload, *[1.0] * 10)
    now = note(overload, *[0.2] * 200, start=now)
    assert overload.is_on, "the lag is still more than half the limit"
    small = round(HOLD / TICK)
    now = note(overload, *[0.0] * (small - 5), start=now)
    assert overload.is_on
    note(overload, *[0.0] * 20, start=now)
    assert not overload.is_on


def test_without_a_limit_it_measures_and_refuses_nothing() -> None:
    overload = Overload(math.inf)
    note(overload, *[5.0] * 100)
    assert not overload.refuses()
    assert overload.statistics() == {"loop_lag_ms": 5000, "overloaded": 0, "refused_by_overload": 0}


def test_a_measurement_counts_for_all_the_time_since_the_one_before() -> None:
    overload = Overload(math.inf)
    overload.note(0.0, 0.0)
    overload.note(0.002, CALM_TICK)
    overload.note(0.2, CALM_TICK + TICK + 0.2)
    assert dict(overload.lags.cumulative())[0.0005] == 1
    assert dict(overload.lags.cumulative())[0.0025] == 1 + round(CALM_TICK / TICK)
    assert overload.lags.count == 1 + round((CALM_TICK + TICK + 0.2) / TICK)


async def test_it_measures_how_late_a_task_gets_its_turn() -> None:
    overload = Overload(0.1)
    clock = MockClock()  # stands still but for what the test says

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(overload.run)
            for tick in (CALM_TICK, *[TICK] * 19):
                await trio.testing.wait_all_tasks_blocked()
                clock.jump(tick + 0.15)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()

    await trio.to_thread.run_sync(lambda: trio.run(main, clock=clock))
    assert overload.lag == pytest.approx(0.15, abs=0.01)
    assert overload.is_on


def overload_now(rig: SignalingRig) -> None:
    note(rig.overload, *[1.0] * 20)


async def test_new_publications_and_plays_are_refused_and_what_runs_goes_on(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        await rig.play(alice, "cam", "v1")
        overload_now(rig)
        for message, media_session_id in (("publishStream", "p2"), ("playStream", "v2")):
            alice.send(message, stream_request("cam", media_session_id, published=message == "publishStream"))
            failed = await alice.receive("notifyStreamStatusEvent", mediaSessionId=media_session_id)
            assert (failed["status"], failed["info"]) == ("FAILED", "Server is overloaded")
        assert {stream.media_session_id for stream in rig.supervisor.streams()} == {"p1", "v1"}
        assert rig.overload.refused == 2
        alice.send("stopStream", {"mediaSessionId": "v1"})
        await alice.receive("notifyStreamStatusEvent", mediaSessionId="v1", status="STOPPED")
        note(rig.overload, *[0.0] * 100, start=60.0)
        await rig.play(alice, "cam", "v3")
