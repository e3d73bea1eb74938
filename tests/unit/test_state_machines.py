"""Every table of states: each row, each row that is missing, and the diagrams that are made from them."""

from enum import Enum
from itertools import product

import pytest

from protocol.common.transitions import NoTransition
from tests.support.state_diagrams import COMMAND, MACHINES, PAGE, Machine, updated

PAIRS = [
    pytest.param(machine, state, event, id=f"{machine.name}: {event.name} in {state.name}")
    for machine in MACHINES
    for state, event in product(machine.states, machine.events)
]
every_machine = pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)


@pytest.mark.parametrize(("machine", "state", "event"), PAIRS)
def test_an_event_has_a_row_or_is_refused(machine: Machine, state: Enum, event: Enum) -> None:
    following = machine.table.rows.get((state, event))
    assert machine.table.allows(state, event) == (following is not None)
    if following is None:
        with pytest.raises(NoTransition, match=rf": {event.name} in state {state.name}$"):
            machine.table.after(state, event)
    else:
        assert machine.table.after(state, event) is following


@every_machine
def test_a_table_is_frozen(machine: Machine) -> None:
    row = next(iter(machine.table.rows))
    with pytest.raises(TypeError):
        machine.table.rows[row] = machine.table.initial  # type: ignore[index] # that is the point


@every_machine
def test_every_state_can_be_reached_and_left_for_an_end(machine: Machine) -> None:
    steps = {(state, following) for (state, _), following in machine.table.rows.items()}
    assert _closure({machine.table.initial}, steps) == set(machine.states)
    assert _closure(set(machine.final), {(following, state) for state, following in steps}) == set(machine.states)


@every_machine
def test_every_state_and_event_is_explained(machine: Machine) -> None:
    met = {machine.table.initial, *(state for state, _ in machine.table.rows), *machine.table.rows.values()}
    assert met == set(machine.states)
    assert all(" " in meaning for meaning in (*machine.meanings.values(), *(event.value for event in machine.events)))


@every_machine
def test_every_event_has_a_row(machine: Machine) -> None:
    assert {event for _, event in machine.table.rows} == set(machine.events)


@every_machine
def test_it_can_be_stopped_at_any_time(machine: Machine) -> None:
    left = {state for state, _ in machine.table.rows}
    assert any(all(machine.table.allows(state, event) for state in left) for event in machine.events)


def test_the_page_shows_the_tables_of_today() -> None:
    page = PAGE.read_text()
    assert page == updated(page), f"write it anew: {COMMAND}"


def test_a_page_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the lines"):
        updated("# How wcsd is built\n")


def _closure(states: set[Enum], steps: set[tuple[Enum, Enum]]) -> set[Enum]:
    """All states that the steps lead to."""
    found = set(states)
    while more := {target for source, target in steps if source in found} - found:
        found |= more
    return found
