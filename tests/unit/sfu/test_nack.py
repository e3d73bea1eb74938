import itertools
import math

import pytest

from protocol.sfu import nack
from protocol.sfu.nack import NackGenerator, ResendBudget
from protocol.sfu.rtt import RttEstimator


def round_trip(seconds: float) -> RttEstimator:
    """One that was measured often."""
    trip = RttEstimator()
    for _ in range(50):
        trip.sample(seconds)
    return trip


def make_losses(seconds: float = 0.060) -> NackGenerator:
    return NackGenerator(round_trip(seconds))


def requests(losses: NackGenerator) -> list[float]:
    """When each further request is made, until the hole is given up."""
    times: list[float] = []
    while losses.deadline < math.inf:
        now = losses.deadline
        times += [now] * len(losses.due(now))
    return times


def make_budget(seconds: float = 0.0) -> ResendBudget:
    return ResendBudget(round_trip(seconds), now=0.0)


def test_a_hole_is_asked_for_after_a_moment_of_grace() -> None:
    losses = make_losses()
    assert losses.lost(5, 8, now=1.0)
    assert losses.due(1.0 + nack.REORDER_GRACE / 2) == []
    assert losses.deadline == 1.0 + nack.REORDER_GRACE
    assert losses.due(losses.deadline) == [5, 6, 7]


def test_what_arrives_meanwhile_is_not_asked_for() -> None:
    losses = make_losses()
    losses.lost(5, 8, now=1.0)
    losses.arrived(6)
    assert 6 not in losses
    assert losses.due(2.0 + nack.MAX_AGE) == [5, 7]  # late as it is, each gets its request


def test_nothing_is_due_when_every_hole_is_filled() -> None:
    losses = make_losses()
    losses.lost(5, 6, now=1.0)
    losses.arrived(5)
    assert losses.deadline == math.inf


def test_a_packet_is_asked_for_again_and_given_up_in_the_end() -> None:
    losses = make_losses(0.020)
    losses.lost(5, 7, now=1.0)
    assert len(requests(losses)) == 2 * nack.MAX_TRIES
    assert 5 not in losses
    assert losses.given_up == 6


def test_a_packet_is_given_up_when_it_is_too_late_for_any_player() -> None:
    losses = make_losses(0.3)
    losses.lost(5, 6, now=1.0)
    times = requests(losses)
    assert 1 < len(times) < nack.MAX_TRIES
    assert times[-1] < 1.0 + nack.MAX_AGE
    assert losses.given_up == 5


def test_what_came_is_not_given_up() -> None:
    losses = make_losses()
    losses.lost(5, 6, now=1.0)
    losses.due(losses.deadline)
    losses.arrived(5)
    assert requests(losses) == []
    assert losses.given_up == -1


def test_repeats_are_a_round_trip_apart_and_then_a_little_more() -> None:
    losses = make_losses(0.060)
    losses.lost(5, 6, now=1.0)
    times = requests(losses)
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses == [pytest.approx(0.060 * nack.RETRY_GROWTH**number, rel=0.01) for number in range(len(pauses))]


def test_a_short_outage_on_a_fast_path_does_not_use_up_all_requests() -> None:
    losses = make_losses(0.001)
    losses.lost(5, 6, now=1.0)
    assert requests(losses)[-1] - 1.0 > 0.5


def test_the_answer_to_a_single_request_tells_the_round_trip() -> None:
    trip = RttEstimator()
    losses = NackGenerator(trip)
    losses.lost(5, 6, now=1.0)
    asked_at = losses.deadline
    losses.due(asked_at)
    losses.answered(5, asked_at + 0.040)
    assert trip.mean == pytest.approx(0.040)
    assert losses.deadline == math.inf


def test_an_answer_that_may_belong_to_either_of_two_requests_tells_nothing() -> None:
    trip = RttEstimator()
    losses = NackGenerator(trip)
    losses.lost(5, 7, now=1.0)
    losses.answered(6, 1.001)  # not asked for yet: it was only late, or is a probe
    losses.due(losses.deadline)
    losses.due(losses.deadline)
    losses.answered(5, losses.deadline)
    losses.answered(5, losses.deadline)
    assert trip.mean == 0.0


def test_a_hole_too_wide_is_given_up_at_once() -> None:
    losses = make_losses()
    losses.lost(1, 10, now=1.0)
    assert not losses.lost(20, 20 + nack.MAX_MISSING, now=1.0)
    assert losses.deadline == math.inf
    assert losses.due(9.0) == []


def test_a_packet_is_given_again_a_few_times_and_not_at_once() -> None:
    budget = make_budget()
    assert budget.allow(1, 100, 0.0, 0.0)
    assert not budget.allow(1, 100, 0.0, nack.MIN_RESEND_INTERVAL / 2)
    times = [number * nack.MIN_RESEND_INTERVAL * 2 for number in range(1, 10)]
    assert sum(budget.allow(1, 100, 0.0, now) for now in times) == nack.MAX_RESENDS - 1


def test_a_packet_is_not_given_again_before_the_last_one_can_have_arrived() -> None:
    budget = make_budget(0.100)
    assert budget.allow(1, 100, 0.0, 0.0)
    assert not budget.allow(1, 100, 0.0, 0.045)
    assert budget.allow(2, 100, 0.0, 0.045)
    assert budget.allow(1, 100, 0.0, 0.055)


def test_a_viewer_that_tells_of_an_endless_round_trip_still_gets_its_packets() -> None:
    budget = make_budget(9.0)
    assert budget.allow(1, 100, 0.0, 0.0)
    assert budget.allow(1, 100, 0.0, nack.MAX_RESEND_INTERVAL)


def test_a_viewer_that_asks_for_everything_gets_a_share_of_the_streams_rate() -> None:
    budget, rate, seconds = make_budget(), 1_000_000.0, 10
    sent = sum(budget.allow(number, 1200, rate, number * seconds / 50_000) and 1200 for number in range(50_000))
    allowed = nack.RESEND_SHARE * rate
    assert allowed * seconds * 0.95 < sent < allowed * (seconds + nack.RESEND_BURST)


def test_a_silent_stream_still_leaves_a_little() -> None:
    budget = make_budget()
    sent = sum(budget.allow(number, 1000, 0.0, 0.0) for number in range(1000))
    assert sent == nack.RESEND_FLOOR * nack.RESEND_BURST // 1000


def test_the_memory_of_resends_is_bounded() -> None:
    budget = make_budget()
    for number in range(5000):
        budget.allow(number, 1, 1e9, number * 1.0)
    assert len(budget._resent) <= 1024
