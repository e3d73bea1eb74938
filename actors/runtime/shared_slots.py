"""A bounded number of slots, such as the connections to one host, shared by applications: none gets them all.

Waiting callers are served in turn (see `fair_queue`). When several applications share the slots, one that already holds
some gets another only if the number left free is at least a third of what it holds now. Alone it takes up to three
quarters; with a second one that wants as much, each takes three sevenths, and so on. The last slot is reserved for an
application that has none.
"""

from collections import Counter
from collections.abc import Callable

import trio
from attrs import field, frozen

from actors.runtime.fair_queue import Caller, FairQueue

SHARE = 3
"""An application may hold at most this many times the number of free slots."""


def may_take(held: int, free: int) -> bool:
    """Whether one who shares the slots with others, and holds so many, may have one of the free ones."""
    return free > 0 and (not held or held <= SHARE * (free - 1))


class SharedSlots:
    """`total` slots. `is_shared` says whether more than one application may currently want them."""

    def __init__(self, total: int, *, is_shared: Callable[[], bool]) -> None:
        self._total = total
        self._free = total
        self._is_shared = is_shared
        self._held: Counter[str] = Counter()
        self._line: FairQueue[_Turn] = FairQueue()

    @property
    def taken(self) -> int:
        """How many are held."""
        return self._total - self._free

    @property
    def waiting(self) -> int:
        """How many wait for one."""
        return len(self._line)

    async def take(self, caller: Caller) -> None:
        """Wait for a slot and hold it; it must be given back."""
        if self._may_have(caller.app):  # so no call of this application waits: it would have got the slot
            self._hand_to(caller)
            return
        turn = _Turn(caller=caller)
        self._line.add(caller, turn)
        try:
            await turn.come.wait()
        except BaseException:
            self._leave(turn)
            raise

    def give_back(self, caller: Caller) -> None:
        """Free the slot for the next caller."""
        self._free += 1
        self._held[caller.app] -= 1
        if not self._held[caller.app]:
            del self._held[caller.app]
        self._hand_out()

    def resize(self, total: int) -> None:
        """Have another number; callers that hold more keep them until they give them back."""
        self._free += total - self._total
        self._total = total
        self._hand_out()

    def _hand_out(self) -> None:
        while self._free > 0 and (turn := self._line.take(self._may_have)) is not None:
            self._hand_to(turn.caller)
            turn.come.set()

    def _leave(self, turn: "_Turn") -> None:
        if turn.come.is_set():
            self.give_back(turn.caller)
        else:
            self._line.discard(turn.caller, turn)

    def _may_have(self, app: str) -> bool:
        return may_take(self._held.get(app, 0) if self._is_shared() else 0, self._free)

    def _hand_to(self, caller: Caller) -> None:
        self._free -= 1
        self._held[caller.app] += 1


@frozen(eq=False, kw_only=True)
class _Turn:
    """A waiting caller, and whether its turn has come."""

    caller: Caller
    come: trio.Event = field(init=False, factory=trio.Event)
