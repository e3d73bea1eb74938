"""Rates and weights."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.common.rate_limit import RateLimit


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
