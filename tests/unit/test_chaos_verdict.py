"""What rounds of the attackers' bench prove, on a calm machine and on a busy one."""

from typing import Any

import pytest
from attrs import evolve

from tests.bench.endurance.chaos.verdict import ENOUGH, Outcome, Round, Seen, is_settled, judge

FINE = Seen(
    delays=[2.0] * 100,
    waiting=0.0,
    cpu=0.2,
    memory=100_000_000,
    ended=0,
    joins=5,
    failures=0,
    terminates=[8.0] * 5,
    packets=60_000,
)
SLOW = evolve(FINE, others=1.5, delays=[60.0] * 100, terminates=[150.0] * 5)


def calm(**loud: Any) -> Round:
    return Round(quiet=FINE, loud=evolve(FINE, **loud))


def busy(**loud: Any) -> Round:
    return Round(quiet=SLOW, loud=evolve(SLOW, **loud))


LATE: dict[str, Any] = {"delays": [70.0] * 100}
VERY_LATE: dict[str, Any] = {"delays": [200.0] * 100}


def test_a_calm_round_without_a_fault_is_enough() -> None:
    assert judge([calm()]).outcome is Outcome.HOLDS
    assert is_settled([calm()])


@pytest.mark.parametrize(
    ("loud", "fault"),
    [
        (LATE, "delay"),
        ({"waiting": 0.02}, "processor"),
        ({"terminates": [120.0]}, "terminate"),
        ({"terminates": []}, "terminate"),
        ({"failures": 1}, "newcomers"),
        ({"joins": 0}, "newcomers"),
    ],
)
def test_what_took_too_long_must_do_so_in_most_of_the_calm_rounds(loud: dict[str, Any], fault: str) -> None:
    assert not is_settled([calm(**loud)])
    assert not is_settled([calm(**loud), calm()])
    assert judge([calm(**loud), calm(), calm()]).outcome is Outcome.HOLDS
    noticed = judge([calm(**loud), calm(), calm(**loud)])
    assert (noticed.outcome, noticed.faults) == (Outcome.NOTICED, (fault,))
    assert is_settled([calm(**loud)] * ENOUGH)


@pytest.mark.parametrize(
    ("loud", "fault"),
    [({"ended": 1}, "viewers ended"), ({"memory": 301_000_000}, "memory")],
)
@pytest.mark.parametrize("round_of", [calm, busy])
def test_what_no_other_program_can_cause_counts_at_once_on_any_machine(
    round_of: Any, loud: dict[str, Any], fault: str
) -> None:
    assert is_settled([round_of(**loud)])
    assert judge([round_of(**loud), calm()]).faults == (fault,)


def test_on_a_busy_machine_processor_time_and_ratios_are_a_proof() -> None:
    assert judge([busy(**LATE)]).outcome is Outcome.HOLDS_BY_PROCESSOR
    assert is_settled([busy(**LATE)])


@pytest.mark.parametrize(
    "loud",
    [VERY_LATE, {"steps": 0.3}, {"cpu": 0.95}, {"packets": 20_000}, {"waiting": 0.03}],
    ids=[
        "much later",
        "no turn for the attacker",
        "no processor left",
        "packets not forwarded",
        "few turns, long passes",
    ],
)
def test_where_even_that_proves_nothing_it_is_neither_a_pass_nor_a_failure(loud: dict[str, Any]) -> None:
    rounds = [busy(**loud)] * ENOUGH
    assert judge(rounds).outcome is Outcome.CANNOT_TELL
    assert not is_settled(rounds[:1])
    assert is_settled(rounds)


def test_a_calm_round_outweighs_busy_ones() -> None:
    assert judge([busy(**VERY_LATE), busy(**VERY_LATE), calm()]).outcome is Outcome.HOLDS
    assert judge([busy(**VERY_LATE), calm(**LATE), calm(**LATE)]).outcome is Outcome.NOTICED


def test_a_machine_with_other_work_is_not_calm_however_fast_it_was_a_moment_ago() -> None:
    shared = Round(quiet=FINE, loud=evolve(FINE, others=1.2, **LATE))
    assert judge([shared] * ENOUGH).outcome is Outcome.CANNOT_TELL


def test_one_calm_round_accuses_nobody_of_being_slow() -> None:
    assert judge([busy(**VERY_LATE), calm(**LATE)]).outcome is Outcome.CANNOT_TELL
