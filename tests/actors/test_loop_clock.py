"""The clock of the event loop stands still while the loop does, so that what waits is read before a timeout fires."""

import socket
from collections.abc import Callable

import pytest
import trio
import trio.testing

from actors.runtime.loop_clock import LONGEST_WAIT, MOST_COUNTED, LoopClock, Standstills, real_time, run_clock
from actors.runtime.overload import Overload
from actors.runtime.timeouts import fail_after
from tests.support.moved_clock import Hands, run

SECONDS_FROZEN = 12.0


def test_time_counts_while_the_loop_goes_on_and_what_goes_beyond_a_second_at_once_does_not() -> None:
    hands = Hands()
    clock = LoopClock(hands)
    clock.start_clock()
    began = clock.current_time()
    for _ in range(10):
        hands.now += MOST_COUNTED
        clock.current_time()
    assert (clock.current_time() - began, clock.left_out) == (10 * MOST_COUNTED, 0.0)
    hands.now += MOST_COUNTED + SECONDS_FROZEN
    assert clock.real_time() - began == pytest.approx(11 * MOST_COUNTED + SECONDS_FROZEN)
    assert clock.current_time() - began == pytest.approx(11 * MOST_COUNTED)
    assert clock.left_out == pytest.approx(SECONDS_FROZEN)


def test_a_loop_with_nothing_to_do_looks_often_enough_not_to_take_its_sleep_for_a_standstill() -> None:
    clock = LoopClock(Hands())
    assert clock.deadline_to_sleep_time(float("inf")) == LONGEST_WAIT < MOST_COUNTED
    assert clock.deadline_to_sleep_time(clock.current_time() + 0.1) == pytest.approx(0.1)


def test_a_test_that_waits_in_vain_on_a_moved_clock_ends_all_the_same() -> None:
    async def main(_: Hands) -> None:
        with trio.fail_after(1):
            await trio.sleep_forever()

    with pytest.raises(trio.TooSlowError):
        run(main, patience=0.05)


@pytest.mark.parametrize("timeout", [trio.fail_after, fail_after])
def test_who_has_spoken_during_a_standstill_is_heard_before_a_timeout_fires(
    timeout: Callable[[float], trio.CancelScope],
) -> None:
    async def main(hands: Hands) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            with timeout(5):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(trio.lowlevel.wait_readable, ours)
                    await trio.testing.wait_all_tasks_blocked()
                    theirs.send(b"here")
                    hands.stand_still(SECONDS_FROZEN)
            assert ours.recv(10) == b"here"

    run(main)


def test_who_is_silent_is_given_up_all_the_same() -> None:
    async def main(hands: Hands) -> None:
        given_up = False

        async def wait_for_a_word() -> None:
            nonlocal given_up
            with trio.move_on_after(5):
                await trio.sleep_forever()
            given_up = True

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_for_a_word)
            await trio.testing.wait_all_tasks_blocked()
            hands.stand_still(SECONDS_FROZEN)
            await hands.pass_time(3.0)
            assert not given_up
            await hands.pass_time(2.0)
            assert given_up

    run(main)


def test_a_standstill_is_told_counted_and_followed_by_what_could_not_wait(caplog: pytest.LogCaptureFixture) -> None:
    renewed: list[float] = []

    async def main(hands: Hands) -> None:
        overload = Overload(0.3)
        overload.after_standstill = [lambda: renewed.append(hands.now)]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(overload.run)
            await hands.pass_time(3.0)
            hands.stand_still(MOST_COUNTED + 0.5)
            await trio.testing.wait_all_tasks_blocked()
            assert not renewed
            hands.stand_still(SECONDS_FROZEN)
            await trio.testing.wait_all_tasks_blocked()
            assert overload.stood_still == pytest.approx(0.5 + SECONDS_FROZEN - MOST_COUNTED)
            await hands.pass_time(3.0)
            nursery.cancel_scope.cancel()
        assert len(renewed) == 1

    run(main)
    assert "the server stood still" in caplog.text


def test_real_time_goes_on_during_a_standstill_and_each_watcher_learns_of_it_once() -> None:
    async def main(hands: Hands) -> None:
        watcher, before = Standstills(), real_time() - trio.current_time()
        hands.stand_still(SECONDS_FROZEN)
        assert real_time() - trio.current_time() - before == pytest.approx(watcher.look())
        assert watcher.look() == 0.0

    run(main)


async def test_on_any_other_clock_both_times_are_the_same(autojump_clock: trio.testing.MockClock) -> None:
    before = real_time()
    await trio.sleep(3600)
    assert real_time() - before == 3600
    assert run_clock().left_out == 0.0
