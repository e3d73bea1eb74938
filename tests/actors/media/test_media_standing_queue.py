"""When datagrams that wait to be read are thrown away."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from actors.media.io.standing_queue import FRESH, PATIENCE, TARGET, StandingQueue

STEP = 0.01


def simulate(queue: StandingQueue, *, arrivals: int, reads: int, seconds: float, backlog: float = 0.0) -> list[float]:
    """So many datagrams come and can be read in each step; a dropped one costs a quarter. The delays of those taken.

    `backlog` is how many seconds of arrivals wait at the start, where the server paused.
    """
    waiting = [(number / arrivals) * STEP - backlog for number in range(int(backlog / STEP * arrivals))]
    delays = []
    for step in range(int(seconds / STEP)):
        now = step * STEP
        waiting += [now] * arrivals
        budget, newest = float(reads), now
        drop_before = queue.drop_before
        while waiting and budget > 0:
            newest = waiting.pop(0)
            if newest < drop_before:
                queue.drops += 1
                budget -= 0.25
            else:
                delays.append(now - newest)
                budget -= 1
        queue.took(now, newest, is_all=not waiting)
    return delays


def test_a_queue_that_is_read_in_time_loses_nothing() -> None:
    queue = StandingQueue()
    assert len(simulate(queue, arrivals=10, reads=11, seconds=5)) == 5000
    assert queue.drops == 0


def test_what_a_pause_has_left_behind_is_worked_off() -> None:
    queue = StandingQueue()
    delays = simulate(queue, arrivals=10, reads=80, seconds=5, backlog=3.0)
    assert (queue.drops, len(delays)) == (0, 5000 + 3000)


def test_of_too_much_a_part_is_taken_in_time_for_ever() -> None:
    queue = StandingQueue()
    delays = simulate(queue, arrivals=30, reads=10, seconds=20)
    assert queue.drops > 0
    assert max(delays) < TARGET + PATIENCE + FRESH
    assert len(delays) > 20 / STEP * 10 / 3, "a third of what could be read without a flood"


@given(st.lists(st.tuples(st.floats(0, 0.3), st.floats(0, 2), st.booleans())))
def test_only_what_is_late_is_thrown_away_and_only_after_a_while(reads: list[tuple[float, float, bool]]) -> None:
    queue, nows = StandingQueue(), itertools.accumulate(pause for pause, _, _ in reads)
    in_time_at = 0.0
    for now, (_, age, is_all) in zip(nows, reads, strict=True):
        queue.took(now, now - age, is_all=is_all)
        if is_all or age <= TARGET:
            in_time_at = now if queue.drop_before < 0 else in_time_at
        if queue.drop_before > float("-inf"):
            assert queue.drop_before <= now - FRESH
            assert not is_all
        elif is_all:
            in_time_at = now
