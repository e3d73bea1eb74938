"""Events that clients see only after the backend's answer, since it may overwrite them. Each is shown once."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import trio
from attrs import field, frozen

from protocol.hooks import Verdict


@frozen(eq=False, kw_only=True)
class Delivery:
    """An event not yet shown to its client, because the backend may overwrite it."""

    deadline: float
    show: Callable[[Verdict], None]
    too_late: Callable[[], Verdict]
    shown: trio.Event = field(init=False, factory=trio.Event)


class Deliveries:
    """Shows each event to the client once: when its answer arrives, or at its deadline.

    Answers are handled immediately and in the order of the lane, so events reach the client in that order too.
    """

    def __init__(self, spawn: Callable[[Callable[[], Any]], None]) -> None:
        self._spawn = spawn
        self._waiting: OrderedDict[Delivery, None] = OrderedDict()  # by deadline, since all wait equally long
        self._running = False

    def watch(self, delivery: Delivery) -> None:
        """Show it at its deadline, unless its answer comes first."""
        self._waiting[delivery] = None
        if not self._running:
            self._running = True
            self._spawn(self._run)

    def show(self, delivery: Delivery, judged: Verdict) -> None:
        """Its answer has arrived; show it now, unless its deadline has already passed."""
        if delivery in self._waiting:
            del self._waiting[delivery]
            delivery.shown.set()
            delivery.show(judged)

    async def _run(self) -> None:
        try:
            while self._waiting:
                delivery = next(iter(self._waiting))
                with trio.move_on_at(delivery.deadline):
                    await delivery.shown.wait()
                if not delivery.shown.is_set():
                    self.show(delivery, delivery.too_late())
        finally:
            self._running = False
