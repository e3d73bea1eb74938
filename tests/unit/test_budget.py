"""Rates and weights."""

import math
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.budget import Allowance, RateLimit, weigh


def test_a_burst_is_taken_at_once_and_then_the_rate() -> None:
    limit = RateLimit(rate=8, burst=3)
    assert [limit.take(5.0) for _ in range(4)] == [True, True, True, False]
    assert not limit.take(5.0625)
    assert limit.take(5.125)
    assert not limit.take(5.125)


def test_a_quiet_time_saves_no_more_than_the_burst() -> None:
    limit = RateLimit(rate=10, burst=3)
    assert limit.take(0.0, 3)
    assert [limit.take(1000.0) for _ in range(4)] == [True, True, True, False]


def test_what_is_refused_costs_nothing() -> None:
    limit = RateLimit(rate=1, burst=3)
    assert not limit.take(0.0, 4)
    assert limit.take(0.0, 3)


def test_a_clock_that_goes_back_gives_nothing() -> None:
    limit = RateLimit(rate=1, burst=1)
    assert limit.take(10.0)
    assert not limit.take(3.0)
    assert not limit.take(10.5)
    assert limit.take(11.0)


def test_a_charge_may_go_into_debt_and_says_for_how_long() -> None:
    limit = RateLimit(rate=10, burst=5)
    assert limit.charge(0.0, 5) == 0
    assert limit.charge(0.0, 20) == pytest.approx(2.0)
    assert not limit.take(1.0)
    assert limit.charge(2.0, 0) == 0
    assert limit.take(2.1)


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (1, 0), (-1, 1), (1, math.nan)])
def test_a_limit_that_lets_nothing_pass_is_a_mistake(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        RateLimit(rate, burst)


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 50)), max_size=50))
def test_never_more_than_burst_and_rate(steps: list[tuple[float, float]]) -> None:
    limit, now, taken = RateLimit(rate=7, burst=20), 0.0, 0.0
    for wait, amount in steps:
        now += wait
        taken += amount if limit.take(now, amount) else 0
    assert taken <= 20 + 7 * now + 1e-6


@pytest.mark.parametrize(
    "make",
    [
        lambda: [[] for _ in range(20_000)],
        lambda: [{} for _ in range(20_000)],
        lambda: [{f"key{n}": n * 1000} for n in range(20_000)],
        lambda: [float(n) for n in range(20_000)],
        lambda: {f"key {n}": f"value {n}" for n in range(20_000)},
        lambda: "\u00e9" * 1_000_000,
        lambda: "\U0001f600" * 1_000_000,
    ],
)
def test_a_weight_is_what_the_value_takes(make: Callable[[], Any]) -> None:
    tracemalloc.start()
    value = make()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken * 0.8 < weigh(value) < taken * 1.5


def test_depth_is_no_recursion() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    assert weigh(value) > 100_000 * 56
    while value:
        value = value.pop()


def test_counting_ends_where_it_is_enough() -> None:
    wide = [[[0] * 1000] * 1000] * 1000
    assert 8000 <= weigh(wide, enough=8000) < 20_000


def test_an_allowance_is_held_and_given_back() -> None:
    memory = Allowance(10)
    assert memory.take(6)
    assert not memory.take(5)
    assert memory.used == 6
    memory.give_back(2)
    assert memory.take(6)
    memory.give_back(100)
    assert memory.used == 0


def test_a_parent_bounds_its_children_together_but_what_is_free() -> None:
    total = Allowance(10)
    one, other = Allowance(8, free=2, parent=total), Allowance(8, free=2, parent=total)
    assert one.take(8)
    assert total.used == 6
    assert not other.take(7)
    assert total.used == 6
    assert other.take(6)
    assert total.used == 10
    third = Allowance(8, free=2, parent=total)
    assert third.take(2)
    assert not third.take(1)
    one.give_back(7)
    assert (one.used, total.used) == (1, 4)
    one.give_back(1)
    other.give_back(6)
    assert total.used == 0


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-50, 50)), max_size=60))
def test_a_parent_always_holds_the_sum_of_what_is_not_free(steps: list[tuple[int, int]]) -> None:
    total = Allowance(100)
    children = [Allowance(60, free=5, parent=total) for _ in range(3)]
    for index, amount in steps:
        if amount > 0:
            children[index].take(amount)
        else:
            children[index].give_back(-amount)
        assert total.used == sum(max(0, child.used - 5) for child in children) <= 100
        assert all(0 <= child.used <= 60 for child in children)
