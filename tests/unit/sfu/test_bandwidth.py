import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.sfu import bandwidth
from protocol.sfu.bandwidth import ReportedLoss, Shortage, UplinkEstimate

# -- upstream --------------------------------------------------------------------------------------------------------


def test_a_publisher_that_uses_what_it_may_have_gets_more() -> None:
    estimate = UplinkEstimate(50_000_000)
    for _ in range(3):
        estimate.update(estimate.bitrate, 0.0)
    assert estimate.bitrate > 3 * bandwidth.START


def test_one_that_does_not_need_more_gets_no_more() -> None:
    estimate = UplinkEstimate(50_000_000)
    for _ in range(100):
        estimate.update(300_000, 0.0)
    assert estimate.bitrate == bandwidth.START


def test_high_loss_takes_back_what_did_not_come() -> None:
    estimate = UplinkEstimate(50_000_000)
    assert estimate.update(1_000_000, 0.2) == 900_000
    assert estimate.update(900_000, 0.05) == 900_000  # some loss: neither up nor down


def test_after_high_loss_it_grows_with_care() -> None:
    estimate = UplinkEstimate(50_000_000)
    estimate.update(1_000_000, 0.2)
    assert estimate.update(900_000, 0.0) == pytest.approx(900_000 * bandwidth.CAUTIOUS_GROWTH, abs=1)


@given(st.lists(st.tuples(st.floats(0, 1e9), st.floats(0, 1))), st.integers(200_000, 10_000_000))
def test_whatever_comes_it_stays_in_bounds(seconds: list[tuple[float, float]], ceiling: int) -> None:
    estimate = UplinkEstimate(ceiling)
    for received, lost in seconds:
        assert bandwidth.FLOOR <= estimate.update(received, lost) <= ceiling


# -- downstream: loss ------------------------------------------------------------------------------------------------


def test_loss_is_looked_at_over_a_while() -> None:
    losses = ReportedLoss()
    assert losses.take(1000, 0, 0.0) is None
    assert losses.take(1002, 1, 0.1) is None  # half of two packets, but of two
    assert losses.take(1200, 10, bandwidth.WINDOW) == 0.05
    assert losses.take(1300, 15, 2 * bandwidth.WINDOW) == 0.05


def test_numbers_that_wrap_and_losses_that_turn_up() -> None:
    losses = ReportedLoss()
    losses.take(0xFFFFFF9C, 5, 0.0)
    assert losses.take(100, 25, 2.0) == 0.1
    assert losses.take(200, 20, 4.0) == 0.0
    assert losses.take(200, 20, 6.0) == 0.0


# -- downstream: bandwidth -------------------------------------------------------------------------------------------


def told(shortage: Shortage, available: int, *, seconds: range, lost: float = 0.2) -> list[int]:
    """When a viewer of a stream with 1,000,000 bits a second is told, while so much is available, and so much lost."""
    times = []
    for second in seconds:
        shortage.losing(lost, float(second))
        if shortage.update(1_000_000, available, float(second)):
            times.append(second)
    return times


def test_enough_is_not_told() -> None:
    assert told(Shortage(), 1_500_000, seconds=range(60)) == []
    assert told(Shortage(), 1_000_000, seconds=range(60)) == []


def test_a_shortage_that_lasts_is_told_and_told_again() -> None:
    assert told(Shortage(), 700_000, seconds=range(30)) == [3, 13, 23]


def test_an_estimate_that_is_only_careful_is_not_told() -> None:
    assert told(Shortage(), 700_000, seconds=range(60), lost=0.0) == []
    assert told(Shortage(), 700_000, seconds=range(60), lost=0.9 * bandwidth.HIGH_LOSS) == []


def test_a_moment_of_loss_is_not_told() -> None:
    shortage = Shortage()
    assert told(shortage, 700_000, seconds=range(60, 61)) == []
    assert told(shortage, 700_000, seconds=range(61, 90), lost=0.0) == []


def test_a_moment_of_shortage_is_not_told() -> None:
    shortage = Shortage()
    assert told(shortage, 700_000, seconds=range(3)) == []
    assert told(shortage, 1_200_000, seconds=range(3, 4)) == []
    assert told(shortage, 700_000, seconds=range(4, 7)) == []


def test_just_enough_does_not_end_a_shortage() -> None:
    shortage = Shortage()
    assert told(shortage, 700_000, seconds=range(4)) == [3]
    assert told(shortage, 1_050_000, seconds=range(4, 6)) == []
    assert told(shortage, 700_000, seconds=range(6, 15)) == [13]


def test_a_shortage_after_relief_is_told_anew() -> None:
    shortage = Shortage()
    told(shortage, 700_000, seconds=range(4))
    told(shortage, 2_000_000, seconds=range(4, 5))
    assert told(shortage, 700_000, seconds=range(5, 12)) == [8]


def test_a_stream_that_pauses_needs_nothing() -> None:
    assert not Shortage().update(0.0, 0.0, 9.0)
