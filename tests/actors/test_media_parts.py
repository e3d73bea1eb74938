"""The small parts of the media plane that need neither a socket nor a task."""

import gc
import math
import weakref

from hypothesis import given
from hypothesis import strategies as st

from actors.media.deadlines import Deadlines
from actors.media.statistics import BitrateLimit, RateMeter


class Owner:
    pass


def test_the_earliest_deadline_is_at_hand() -> None:
    deadlines: Deadlines[str] = Deadlines()
    assert deadlines.earliest == math.inf
    deadlines.set("late", 5.0)
    deadlines.set("early", 3.0)
    deadlines.set("never", math.inf)
    assert deadlines.earliest == 3.0
    assert deadlines.due(2.9) == []
    assert deadlines.due(9.0) == ["early", "late"]
    assert deadlines.earliest == math.inf


def test_a_deadline_may_be_moved_both_ways() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("a", 5.0)
    deadlines.set("a", 8.0)
    assert deadlines.due(6.0) == []
    deadlines.set("a", 7.0)
    assert deadlines.earliest == 7.0
    assert deadlines.due(7.0) == ["a"]
    assert deadlines.due(99.0) == []


def test_one_that_was_called_off_never_comes() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("a", 5.0)
    deadlines.set("b", 5.0)
    deadlines.set("b", math.inf)
    deadlines.remove("a")
    deadlines.remove("a")
    assert deadlines.due(9.0) == []


def test_a_removed_owner_is_not_kept_alive() -> None:
    deadlines: Deadlines[Owner] = Deadlines()
    owner = Owner()
    gone = weakref.ref(owner)
    deadlines.set(owner, 1e9)
    deadlines.remove(owner)
    del owner
    gc.collect()
    assert gone() is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.one_of(st.integers(0, 50), st.none())), max_size=40))
def test_everybody_comes_at_the_time_set_last(moves: list[tuple[str, int | None]]) -> None:
    deadlines: Deadlines[str] = Deadlines()
    expected: dict[str, float] = {}
    for owner, when in moves:
        expected[owner] = math.inf if when is None else float(when)
        deadlines.set(owner, expected[owner])
    came = {owner: now for now in range(60) for owner in deadlines.due(now)}
    assert came == {owner: when for owner, when in expected.items() if when < math.inf}


def test_a_rate_is_measured_over_an_interval() -> None:
    meter = RateMeter(10.0)
    meter.sample(500, 10.5)
    assert meter.bytes_per_second == 0
    meter.sample(4000, 12.0)
    assert (meter.bytes_per_second, meter.kbps) == (2000.0, 16)
    meter.sample(4000, 13.0)
    assert meter.bytes_per_second == 0


def test_a_bitrate_limit_lets_a_second_through_at_once_and_then_its_rate() -> None:
    limit = BitrateLimit(8, now=0.0)  # 1,000 bytes a second
    assert [limit.allow(400, 0.0) for _ in range(3)] == [True, True, False]
    assert sum(limit.allow(100, 0.01 * step) for step in range(1, 1001)) == 102
