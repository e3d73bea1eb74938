"""State machines as data: a frozen table of rows, (state, event) -> next state, and the one way to read it.

The rules for every machine of this project:

1. States and events are enums, and the value of a member says in one line what it means. The pages of the
   documentation show these lines.
2. The owner of a machine changes its state in one method, by `after`. What is to be done on the way is the owner's.
3. An event without a row must not happen. From our own code it is a bug, and `after` raises. Before an event that comes
   from outside the owner asks `allows`, and refuses it.
4. A state without rows is final.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Generic, TypeVar

from attrs import field, frozen

S = TypeVar("S", bound=Enum)
E = TypeVar("E", bound=Enum)


class NoTransition(RuntimeError):
    """An event in a state that has no row for it: a bug in the code that owns the machine."""


def _frozen(rows: Mapping[tuple[S, E], S]) -> Mapping[tuple[S, E], S]:
    return MappingProxyType(dict(rows))


@frozen(kw_only=True)
class Transitions(Generic[S, E]):
    """All that can happen to a machine."""

    initial: S
    rows: Mapping[tuple[S, E], S] = field(converter=_frozen)

    def allows(self, state: S, event: E) -> bool:
        """Whether the event may happen in this state."""
        return (state, event) in self.rows

    def after(self, state: S, event: E) -> S:
        """The state that follows. Raises NoTransition."""
        try:
            return self.rows[state, event]
        except KeyError:
            raise NoTransition(f"{type(state).__name__}: {event.name} in state {state.name}") from None
