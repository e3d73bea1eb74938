import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.sfu import rtt
from protocol.sfu.rtt import RttEstimator


def test_unknown_at_first() -> None:
    unknown = RttEstimator()
    assert unknown.mean == 0.0
    assert unknown.retry_after == rtt.UNKNOWN_RETRY


def test_the_first_sample_is_believed_with_caution() -> None:
    trip = RttEstimator()
    trip.sample(0.050)
    assert trip.mean == 0.050
    assert trip.retry_after == pytest.approx(0.150)


def test_steady_samples_make_retries_a_round_trip_apart() -> None:
    trip = RttEstimator()
    for _ in range(30):
        trip.sample(0.080)
    assert trip.mean == pytest.approx(0.080)
    assert trip.retry_after == pytest.approx(0.080, rel=0.01)


def test_samples_that_stray_keep_retries_further_apart() -> None:
    steady, straying = RttEstimator(), RttEstimator()
    for number in range(100):
        steady.sample(0.080)
        straying.sample(0.040 if number % 2 else 0.120)
    assert straying.mean == pytest.approx(steady.mean, rel=0.1)
    assert straying.retry_after > 2 * steady.retry_after


def test_a_clock_gone_wrong_is_not_believed() -> None:
    trip = RttEstimator()
    trip.sample(rtt.MAX_SAMPLE + 1)
    assert trip.retry_after == rtt.UNKNOWN_RETRY
    trip.sample(-0.001)
    assert trip.mean == 0.0
    assert trip.retry_after == rtt.MIN_RETRY


@given(st.lists(st.floats(-100, 100), min_size=1))
def test_whatever_is_measured_retries_stay_in_bounds(samples: list[float]) -> None:
    trip = RttEstimator()
    for seconds in samples:
        trip.sample(seconds)
        assert trip.retry_after == rtt.UNKNOWN_RETRY or (rtt.MIN_RETRY <= trip.retry_after <= rtt.MAX_RETRY)
        assert 0 <= trip.mean <= rtt.MAX_SAMPLE
