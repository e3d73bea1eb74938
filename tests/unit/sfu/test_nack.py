import math

from protocol.sfu import nack
from protocol.sfu.nack import LossTracker, ResendBudget


def test_a_hole_is_asked_for_after_a_moment_of_grace() -> None:
    losses = LossTracker()
    assert losses.lost(5, 8, now=1.0)
    assert losses.due(1.0 + nack.REORDER_GRACE / 2) == []
    assert losses.deadline == 1.0 + nack.REORDER_GRACE
    assert losses.due(losses.deadline) == [5, 6, 7]


def test_what_arrives_meanwhile_is_not_asked_for() -> None:
    losses = LossTracker()
    losses.lost(5, 8, now=1.0)
    losses.arrived(6)
    assert 6 not in losses
    assert losses.due(2.0) == [5, 7]


def test_nothing_is_due_when_every_hole_is_filled() -> None:
    losses = LossTracker()
    losses.lost(5, 6, now=1.0)
    losses.arrived(5)
    assert losses.deadline == math.inf


def test_a_packet_is_asked_for_again_and_given_up_in_the_end() -> None:
    losses = LossTracker()
    losses.lost(5, 6, now=1.0)
    asked = 0
    while losses.deadline < math.inf:
        asked += len(losses.due(losses.deadline))
    assert asked == nack.MAX_TRIES
    assert 5 not in losses


def test_repeats_keep_their_distance() -> None:
    losses = LossTracker()
    losses.lost(5, 6, now=1.0)
    first = losses.deadline
    losses.due(first)
    assert losses.deadline == first + nack.RETRY_INTERVAL


def test_a_hole_too_wide_is_given_up_at_once() -> None:
    losses = LossTracker()
    losses.lost(1, 10, now=1.0)
    assert not losses.lost(20, 20 + nack.MAX_MISSING, now=1.0)
    assert losses.deadline == math.inf
    assert losses.due(9.0) == []


def test_a_packet_is_given_again_a_few_times_and_not_at_once() -> None:
    budget = ResendBudget(now=0.0)
    assert budget.allow(1, 100, 0.0, 0.0)
    assert not budget.allow(1, 100, 0.0, nack.MIN_RESEND_INTERVAL / 2)
    times = [number * nack.MIN_RESEND_INTERVAL * 2 for number in range(1, 10)]
    assert sum(budget.allow(1, 100, 0.0, now) for now in times) == nack.MAX_RESENDS - 1


def test_a_viewer_that_asks_for_everything_gets_a_share_of_the_streams_rate() -> None:
    budget, rate, seconds = ResendBudget(now=0.0), 1_000_000.0, 10
    sent = sum(budget.allow(number, 1200, rate, number * seconds / 50_000) and 1200 for number in range(50_000))
    allowed = nack.RESEND_SHARE * rate
    assert allowed * seconds * 0.95 < sent < allowed * (seconds + nack.RESEND_BURST)


def test_a_silent_stream_still_leaves_a_little() -> None:
    budget = ResendBudget(now=0.0)
    sent = sum(budget.allow(number, 1000, 0.0, 0.0) for number in range(1000))
    assert sent == nack.RESEND_FLOOR * nack.RESEND_BURST // 1000


def test_the_memory_of_resends_is_bounded() -> None:
    budget = ResendBudget(now=0.0)
    for number in range(5000):
        budget.allow(number, 1, 1e9, number * 1.0)
    assert len(budget._resent) <= 1024
