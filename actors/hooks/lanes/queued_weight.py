"""The weight of waiting hooks.

Weights are approximate bytes of memory (`protocol.common.memory_budget.weigh`). What several hooks share, such as a
stream's SDP or the payload of an event with ten thousand viewers, is one object and counts once.
"""

from collections.abc import Mapping
from sys import getsizeof
from typing import Any

from attrs import define, field, frozen

from protocol.common.memory_budget import weigh

OVERHEAD = 1792
"""Bytes that a hook takes besides its body."""
SHARED_FROM = 1024
"""Smallest text, in bytes, for which it is worth checking whether it is shared."""


@frozen
class Load:
    """What one hook weighs: its own part, and the parts that other hooks may share (id and weight)."""

    own: int
    shared: tuple[tuple[int, int], ...] = ()

    @property
    def whole(self) -> int:
        """Everything together."""
        return self.own + sum(weight for _, weight in self.shared)


@define
class Tally:
    """The sum of several loads, with shared parts counted once."""

    weight: int = 0
    _shared: dict[int, tuple[int, int]] = field(factory=dict)
    """Weight and number of users, by id. An id stays valid because every user keeps the object alive."""

    def add(self, load: Load) -> None:
        """One more hook."""
        self.weight += load.own
        for key, weight in load.shared:
            _, users = self._shared.get(key, (weight, 0))
            self._shared[key] = (weight, users + 1)
            if not users:
                self.weight += weight

    def remove(self, load: Load) -> None:
        """One hook fewer."""
        self.weight -= load.own
        for key, _ in load.shared:
            weight, users = self._shared.pop(key)
            if users > 1:
                self._shared[key] = (weight, users - 1)
            else:
                self.weight -= weight

    def load_of(self, body: Mapping[str, Any]) -> Load:
        """What a hook with this body weighs. Parts already known are not weighed again."""
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
        """The weight of a shared object; None if it is not shared."""
        found = self._shared.get(id(value))
        return None if found is None else found[0]
