"""The state machines of the server, and the section of docs/architecture.md that is made from their tables.

.venv-test/bin/python -m tests.support.state_diagrams      writes the section anew
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from attrs import frozen

from protocol.calls import life as call_life
from protocol.common.transitions import Transitions
from protocol.hooks import breaker
from protocol.signaling import session_state
from protocol.sip.transactions import states as transaction_states
from protocol.stream import life
from protocol.webrtc import dtls_state, transport_state

COMMAND = ".venv-test/bin/python -m tests.support.state_diagrams"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "architecture.md"
BEGIN = f"<!-- states: made from the tables by `{COMMAND}` -->\n"
END = "<!-- end of states -->\n"


@frozen(kw_only=True)
class Machine:
    """One table, and what a reader is told of it."""

    name: str
    source: str
    events: type[Enum]
    table: Transitions[Any, Any]
    meanings: Mapping[Any, str]
    """Of each state, in the order in which a reader best meets them."""

    @property
    def states(self) -> list[Enum]:
        return list(self.meanings)

    @property
    def final(self) -> list[Enum]:
        """The states without rows."""
        left = {state for state, _ in self.table.rows}
        return [state for state in self.states if state not in left]


def _meanings(members: type[Enum]) -> dict[Enum, str]:
    """As the members themselves say it."""
    return {member: member.value for member in members}


MACHINES = (
    Machine(
        name="Session",
        source="protocol/signaling/session_state.py",
        events=session_state.SessionEvent,
        table=session_state.TRANSITIONS,
        meanings=_meanings(session_state.SessionState),
    ),
    Machine(
        name="Publication",
        source="protocol/stream/life.py",
        events=life.LifeEvent,
        table=life.PUBLISHED,
        meanings=life.PUBLISHED_MEANINGS,
    ),
    Machine(
        name="Playback",
        source="protocol/stream/life.py",
        events=life.LifeEvent,
        table=life.PLAYED,
        meanings=life.PLAYED_MEANINGS,
    ),
    Machine(
        name="Call",
        source="protocol/calls/life.py",
        events=call_life.CallStep,
        table=call_life.CALL_LIFE,
        meanings=_meanings(call_life.CallState),
    ),
    Machine(
        name="Transport",
        source="protocol/webrtc/transport_state.py",
        events=transport_state.TransportEvent,
        table=transport_state.TRANSITIONS,
        meanings=_meanings(transport_state.TransportState),
    ),
    Machine(
        name="DTLS endpoint",
        source="protocol/webrtc/dtls_state.py",
        events=dtls_state.DtlsEvent,
        table=dtls_state.TRANSITIONS,
        meanings=_meanings(dtls_state.DtlsState),
    ),
    Machine(
        name="Breaker",
        source="protocol/hooks/breaker.py",
        events=breaker.BreakerEvent,
        table=breaker.TRANSITIONS,
        meanings=_meanings(breaker.BreakerState),
    ),
    Machine(
        name="SIP INVITE that we send",
        source="protocol/sip/transactions/states.py",
        events=transaction_states.ClientTransactionEvent,
        table=transaction_states.INVITE_CLIENT,
        meanings=_meanings(transaction_states.ClientTransactionState),
    ),
    Machine(
        name="SIP INVITE that we answer",
        source="protocol/sip/transactions/states.py",
        events=transaction_states.ServerTransactionEvent,
        table=transaction_states.INVITE_SERVER,
        meanings=_meanings(transaction_states.ServerTransactionState),
    ),
)


def updated(page: str) -> str:
    """The page with the section as the tables have it now. Raises ValueError if it lacks the marks around it."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page needs the lines {BEGIN!r} and {END!r}")
    return before + begin + "".join(f"\n{_section(machine)}" for machine in MACHINES) + "\n" + end + after


def _section(machine: Machine) -> str:
    lines = (
        f"### {machine.name}",
        "",
        f"`{machine.source}`",
        "",
        *("```mermaid", *_diagram(machine), "```"),
        "",
        *_rows("state", ((state.name, meaning) for state, meaning in machine.meanings.items())),
        "",
        *_rows("event", ((_label(event), event.value) for event in machine.events)),
    )
    return "\n".join(lines) + "\n"


def _diagram(machine: Machine) -> Iterator[str]:
    """Mermaid, which GitHub draws. One arrow for all events that lead the same way."""
    yield "stateDiagram-v2"
    yield f"    [*] --> {machine.table.initial.name}"
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, event), following in machine.table.rows.items():
        arrows.setdefault((state.name, following.name), []).append(_label(event))
    for (source, target), labels in arrows.items():
        yield f"    {source} --> {target} : {', '.join(labels)}"
    for state in machine.final:
        yield f"    {state.name} --> [*]"


def _label(event: Enum) -> str:
    return event.name.lower().replace("_", " ")


def _rows(kind: str, meanings: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield f"| {kind} | |"
    yield "|---|---|"
    for name, meaning in meanings:
        yield f"| {name} | {meaning} |"


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text()))
