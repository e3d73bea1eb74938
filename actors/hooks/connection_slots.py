"""A bounded number of slots, such as the connections to one host, of which nobody gets all.

Who waits is served by turns (see `fair_queue`). Where several applications share the slots, one that holds some already
gets another only while that leaves a third of what it has for those who come: alone it takes up to three quarters,
with a second one that wants as much each takes three sevenths, and so on. The last slot is for somebody who has none.
"""

from collections import Counter
from collections.abc import Callable

import trio
from attrs import field, frozen

from actors.hooks.fair_queue import Caller, FairQueue

SHARE = 3
"""How often what is left an application may hold."""


class ConnectionSlots:
    """`total` slots. `is_shared` says whether more than one application may want them, as of now."""

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
        if self._may_have(caller.app):  # nobody of the same application waits then, for it would have got it
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
        """The slot is free for the next one."""
        self._free += 1
        self._held[caller.app] -= 1
        if not self._held[caller.app]:
            del self._held[caller.app]
        while self._free and (turn := self._line.take(self._may_have)) is not None:
            self._hand_to(turn.caller)
            turn.come.set()

    def _leave(self, turn: "_Turn") -> None:
        if turn.come.is_set():
            self.give_back(turn.caller)
        else:
            self._line.discard(turn.caller, turn)

    def _may_have(self, app: str) -> bool:
        held = self._held.get(app, 0)
        if not held or not self._is_shared():
            return self._free > 0
        return held <= SHARE * (self._free - 1)

    def _hand_to(self, caller: Caller) -> None:
        self._free -= 1
        self._held[caller.app] += 1


@frozen(eq=False, kw_only=True)
class _Turn:
    """Somebody who waits, and whether their turn has come."""

    caller: Caller
    come: trio.Event = field(init=False, factory=trio.Event)
