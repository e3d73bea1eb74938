"""Requests of one client that wait for its backend's decision.

Nothing here waits: each request is continued by a helper task, so that a slow answer does not delay the client's other
frames. The lane keeps the calls of one session in order.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import trio

from actors.hooks.lanes.lane import HookLane
from actors.session.socket.receive_quota import ReceiveQuota
from protocol.common.memory_budget import weigh
from protocol.hooks import HookMethod, Verdict

MAX_WAITING: Final = 128
"""Requests of one session that may wait for its backend at a time, not counting streams."""
TOO_MANY_WAITING: Final = "Too many requests are waiting for the backend"
"""What the client is told about one request more."""

T = TypeVar("T")


class BackendRequests:
    """The requests of one session that wait, bounded in number and in memory."""

    def __init__(self, lane: HookLane, quota: ReceiveQuota, nursery: Callable[[], trio.Nursery]) -> None:
        self._lane = lane
        self._quota = quota
        self._nursery = nursery
        self._waiting = 0
        self._is_over = False

    def end(self) -> None:
        """The session is over: nothing is continued, not even with an answer that has just come."""
        self._is_over = True

    def ask(self, method: HookMethod, body: dict[str, Any], decided: Callable[[Verdict], None]) -> bool:
        """Call the backend and continue with its verdict. False if too many or too large requests are waiting.

        Where the backend is not called, this continues before it returns.
        """
        if (unasked := self._lane.unasked(method, body)) is not None:
            if not self._is_over:
                decided(unasked)
            return True
        weight = weigh(body)
        if self._waiting >= MAX_WAITING:
            self._quota.refused(f"{MAX_WAITING} requests of a session that wait for the backend")
            return False
        if not self._quota.keep(weight):
            return False
        self._waiting += 1
        self._nursery().start_soon(self._continue, method, body, weight, decided)
        return True

    def look_up(self, look: Callable[[], Awaitable[T]], found: Callable[[T], None]) -> bool:
        """Look for something that other nodes know, and continue with it. False if too many requests are waiting."""
        if self._waiting >= MAX_WAITING:
            self._quota.refused(f"{MAX_WAITING} requests of a session that wait for other nodes")
            return False
        self._waiting += 1
        self._nursery().start_soon(self._continue_with, look, found)
        return True

    async def _continue_with(self, look: Callable[[], Awaitable[T]], found: Callable[[T], None]) -> None:
        try:
            value = await look()
            if not self._is_over:
                found(value)
        finally:
            self._waiting -= 1

    async def _continue(
        self, method: HookMethod, body: dict[str, Any], weight: int, decided: Callable[[Verdict], None]
    ) -> None:
        try:
            verdict = await self._lane.authorize(method, body)
            if not self._is_over:
                decided(verdict)
        finally:
            self._waiting -= 1
            self._quota.give_back(weight)
