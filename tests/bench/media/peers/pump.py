"""The one task of a peer process that reads sockets and runs timers."""

import math
import select
import time
from typing import Protocol

import trio

from tests.bench.media.peers.peer import Peer

TICK = 0.02
"""Seconds between two looks at the timers when nothing arrives."""
MODERATION = 0.002
"""Seconds of rest after each read when only counting: arrival times are the kernel's, so nothing is lost by it."""


class _Drained(Protocol):
    def drain(self) -> None: ...


class Pump:
    """`watch` sockets by their descriptors; `moderate` trades promptness for fewer wake-ups."""

    def __init__(self) -> None:
        self.moderate = False
        self._rests_until = -math.inf
        self._epoll = select.epoll()
        self._watched: dict[int, _Drained] = {}
        self._peers: set[Peer] = set()

    def watch(self, descriptor: int, target: _Drained) -> None:
        self._watched[descriptor] = target
        self._epoll.register(descriptor, select.EPOLLIN)
        if isinstance(target, Peer):
            self._peers.add(target)

    def forget(self, descriptor: int) -> None:
        """To be called while the descriptor is still open."""
        target = self._watched.pop(descriptor, None)
        if target is not None:
            self._epoll.unregister(descriptor)
        if isinstance(target, Peer):
            self._peers.discard(target)

    def rest(self, seconds: float) -> None:
        """Leave everything to the kernel for a while: others need the processors, and it notes when what arrived."""
        self._rests_until = trio.current_time() + seconds

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with trio.move_on_after(TICK):
                await trio.lowlevel.wait_readable(self._epoll.fileno())
            await trio.sleep_until(self._rests_until)
            for descriptor, _ in self._epoll.poll(0):
                self._watched[descriptor].drain()
            now = time.monotonic()
            for peer in self._peers:
                if now >= peer.deadline:
                    peer.on_time(now)
            if self.moderate:
                await trio.sleep(MODERATION)
