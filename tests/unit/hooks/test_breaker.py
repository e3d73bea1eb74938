"""The breaker: when it opens, how long it rests, and whose result counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.hooks.breaker import (
    FAILURES,
    LONGEST_REST,
    PROBE_SECONDS,
    WINDOW,
    Breaker,
    BreakerState,
    CallResult,
    Ticket,
)

FAILED, ANSWERED, WITHDRAWN = CallResult.FAILED, CallResult.ANSWERED, CallResult.WITHDRAWN


def new_breaker(changes: list[tuple[BreakerState, BreakerState]] | None = None) -> Breaker:
    told = changes if changes is not None else []
    return Breaker(random=lambda: 0.5, on_change=lambda before, after: told.append((before, after)))


def state_of(breaker: Breaker) -> BreakerState:
    return breaker.state


def admitted(breaker: Breaker, now: float) -> Ticket:
    ticket = breaker.admit(now)
    assert ticket is not None
    return ticket


def calls(breaker: Breaker, results: str, *, now: float = 0.0, step: float = 0.0) -> float:
    """One call after the other: `x` fails, `.` is answered."""
    for each in results:
        breaker.report(admitted(breaker, now), FAILED if each == "x" else ANSWERED, now)
        now += step
    return now


def opened(now: float = 0.0) -> Breaker:
    breaker = new_breaker()
    calls(breaker, "x" * FAILURES, now=now)
    assert state_of(breaker) is BreakerState.OPEN
    return breaker


@pytest.mark.parametrize(
    ("results", "state"),
    [
        ("x" * 9, BreakerState.CLOSED),
        ("x" * 10, BreakerState.OPEN),
        (".x" * 9 + ".", BreakerState.CLOSED),
        (".x" * 10, BreakerState.OPEN),
        ("x" * 9 + "." * 11 + "x", BreakerState.CLOSED),
        ("..x" * 30, BreakerState.CLOSED),
    ],
)
def test_it_opens_when_half_of_the_last_twenty_calls_have_failed(results: str, state: BreakerState) -> None:
    breaker = new_breaker()
    calls(breaker, results)
    assert state_of(breaker) is state


def test_failures_of_more_than_a_minute_ago_do_not_count() -> None:
    breaker = new_breaker()
    calls(breaker, "x" * 30, step=6.7)
    assert state_of(breaker) is BreakerState.CLOSED
    calls(breaker, "x" * 9, now=300.0, step=1.0)
    assert state_of(breaker) is BreakerState.CLOSED
    calls(breaker, "x", now=310.0)
    assert state_of(breaker) is BreakerState.OPEN


def test_rests_double_up_to_ten_seconds_and_begin_anew_after_an_answer() -> None:
    breaker, now, rests = opened(), 0.0, []
    for _ in range(6):
        rests.append(breaker.open_until - now)
        assert breaker.admit(breaker.open_until - 0.001) is None
        now = breaker.open_until
        breaker.report(admitted(breaker, now), FAILED, now)
    assert rests == pytest.approx([1, 2, 4, 8, 10, 10])
    now = breaker.open_until
    breaker.report(admitted(breaker, now), ANSWERED, now)
    assert state_of(breaker) is BreakerState.CLOSED
    calls(breaker, "x" * FAILURES, now=now)
    assert breaker.open_until - now == pytest.approx(1)


@given(st.floats(0, 1))
def test_a_rest_is_longer_or_shorter_by_a_fifth(chance: float) -> None:
    breaker = Breaker(random=lambda: chance, on_change=lambda before, after: None)
    calls(breaker, "x" * FAILURES)
    assert 0.8 - 1e-9 <= breaker.open_until <= 1.2 + 1e-9


def test_one_call_is_the_probe_with_a_deadline_of_its_own() -> None:
    breaker = opened()
    probe = admitted(breaker, 1.0)
    assert probe.probe_until == 1.0 + PROBE_SECONDS
    assert breaker.admit(1.5) is None
    assert state_of(breaker) is BreakerState.HALF_OPEN
    assert breaker.refuses(1.0 + PROBE_SECONDS + 0.1)  # without a result in time it has failed
    assert state_of(breaker) is BreakerState.OPEN
    breaker.report(probe, ANSWERED, 10.0)
    assert state_of(breaker) is BreakerState.OPEN


def test_a_probe_that_was_cancelled_leaves_its_turn_to_the_next_call() -> None:
    breaker = opened()
    breaker.report(admitted(breaker, 1.0), WITHDRAWN, 2.0)
    assert admitted(breaker, 2.0).probe_until is not None


def test_cancelled_calls_say_nothing() -> None:
    breaker = new_breaker()
    for _ in range(WINDOW):
        breaker.report(admitted(breaker, 0.0), WITHDRAWN, 0.0)
    calls(breaker, "x" * (FAILURES - 1))
    assert state_of(breaker) is BreakerState.CLOSED


@given(st.lists(st.sampled_from([FAILED, ANSWERED]), max_size=40))
def test_calls_from_before_the_opening_do_not_count(late: list[CallResult]) -> None:
    breaker = new_breaker()
    before = [admitted(breaker, 0.0) for _ in late]
    calls(breaker, "x" * FAILURES)
    rest = breaker.open_until
    for ticket, result in zip(before, late, strict=True):
        breaker.report(ticket, result, 0.5)
    assert (state_of(breaker), breaker.open_until) == (BreakerState.OPEN, rest)
    breaker.report(admitted(breaker, rest), ANSWERED, rest)
    for ticket, result in zip(before, late, strict=True):
        breaker.report(ticket, result, rest)
    assert state_of(breaker) is BreakerState.CLOSED


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["admit", "report"]),
            st.sampled_from(list(CallResult)),
            st.floats(0, 5),
        ),
        max_size=200,
    )
)
def test_whatever_happens_it_is_in_a_known_state_and_recovers(
    steps: list[tuple[str, CallResult, float]],
) -> None:
    breaker, now = new_breaker(), 0.0
    under_way: list[Ticket] = []
    for step, result, seconds in steps:
        now += seconds
        if step == "admit":
            ticket = breaker.admit(now)
            under_way += [ticket] if ticket else []
        elif under_way:
            breaker.report(under_way.pop(0), result, now)
        assert breaker.open_until <= now + 1.2 * LONGEST_REST
        assert (breaker.state is BreakerState.HALF_OPEN) == (breaker._probe is not None)  # one probe at a time
    now += 1.2 * LONGEST_REST + PROBE_SECONDS
    if breaker.refuses(now):  # the probe before has just been given up
        now = breaker.open_until
    breaker.report(admitted(breaker, now), ANSWERED, now)
    assert state_of(breaker) is BreakerState.CLOSED
