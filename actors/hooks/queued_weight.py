"""What hooks weigh while they wait.

Weights are bytes of memory, about (`protocol.common.memory_budget.weigh`). What several hooks have in common, such as a
stream's SDP or the payload of an event with ten thousand viewers, is one object and weighs once.
"""

from collections.abc import Mapping
from sys import getsizeof
from typing import Any

from attrs import define, field, frozen

from protocol.common.memory_budget import weigh

OVERHEAD = 1792
"""Bytes that a hook takes beside its body."""
SHARED_FROM = 1024
"""Bytes from which a text is worth looking for elsewhere."""


@frozen
class Load:
    """What one hook weighs: alone, and by the parts that others may have too (id and weight)."""

    own: int
    shared: tuple[tuple[int, int], ...] = ()

    @property
    def whole(self) -> int:
        """Everything together."""
        return self.own + sum(weight for _, weight in self.shared)


@define
class Tally:
    """The sum of some loads, what they share counted once."""

    weight: int = 0
    _shared: dict[int, tuple[int, int]] = field(factory=dict)
    """Weight and number of users, by id. An id stays valid, for whoever uses the object keeps it."""

    def add(self, load: Load) -> None:
        """One more hook."""
        self.weight += load.own
        for key, weight in load.shared:
            _, users = self._shared.get(key, (weight, 0))
            self._shared[key] = (weight, users + 1)
            if not users:
                self.weight += weight

    def remove(self, load: Load) -> None:
        """One hook less."""
        self.weight -= load.own
        for key, _ in load.shared:
            weight, users = self._shared.pop(key)
            if users > 1:
                self._shared[key] = (weight, users - 1)
            else:
                self.weight -= weight

    def load_of(self, body: Mapping[str, Any]) -> Load:
        """What a hook with this body weighs. What is known already is not weighed again."""
        own = OVERHEAD + getsizeof(body)
        shared = []
        for value in body.values():
            if isinstance(value, dict | list) or getsizeof(value) >= SHARED_FROM:
                known = self._known(value)
                shared.append((id(value), weigh(value) if known is None else known))
            else:
                own += getsizeof(value)
        return Load(own, tuple(shared))

    def _known(self, value: object) -> int | None:
        """The weight of an object that is among what is shared."""
        found = self._shared.get(id(value))
        return None if found is None else found[0]
