"""What an origin tells an edge of one leg: in order, each piece repeated until it is acknowledged, or given up."""

from collections import deque
from collections.abc import Callable
from typing import Final

import trio
from attrs import evolve

from actors.cluster.registry.registry import RegistryUnavailable
from actors.relay.services import RelayServices
from protocol.cluster.relay_messages import RelayedEnd, RelayedEvent, RelayNews

TRIES: Final = 3
"""How often a piece is sent."""
PAUSE: Final = 0.5
"""Seconds until the next try when Redis does not answer."""
MOST_WAITING: Final = 64
"""Pieces of one leg that wait; of events that come then, none is passed on. An end always is."""


class NewsSender:
    """The news of the leg `pull`, for this member."""

    def __init__(self, member: str, pull: str, services: RelayServices) -> None:
        self._member, self._services = member, services
        self._blank = RelayNews(pull=pull, number=0)
        self._waiting: deque[RelayNews] = deque()
        self._number = 0
        self._come = trio.Event()
        self._ended = False

    def event(self, event: RelayedEvent) -> None:
        """Pass on an event."""
        if len(self._waiting) >= MOST_WAITING:
            self._services.counts.news_lost += 1
        elif not self._ended:
            self._add(evolve(self._blank, event=event))

    def end(self, end: RelayedEnd | None) -> None:
        """The last piece; None: the other end knows, or is gone, and is told nothing more. Idempotent."""
        if end is None:
            self._waiting.clear()
        elif not self._ended:
            self._add(evolve(self._blank, end=end))
        self._ended = True
        self._come.set()

    async def run(self, on_unknown: Callable[[], None]) -> None:
        """Send until the end has been told. `on_unknown`: the other end does not know the pull, or no longer."""
        while self._waiting or not self._ended:
            if self._waiting:
                await self._send(self._waiting.popleft(), on_unknown)
            else:
                self._come = trio.Event()
                await self._come.wait()

    def _add(self, news: RelayNews) -> None:
        self._number += 1
        self._waiting.append(evolve(news, number=self._number))
        self._come.set()

    async def _send(self, news: RelayNews, on_unknown: Callable[[], None]) -> None:
        services, counts = self._services, self._services.counts
        for _ in range(TRIES):
            try:
                reply = await services.asking.ask_one(
                    self._member, news, timeout=services.settings.cluster_answer_timeout
                )
            except RegistryUnavailable:
                await trio.sleep(PAUSE)
                continue
            if reply is not None:
                counts.news += 1
                if not reply.count:
                    on_unknown()
                return
        counts.news_lost += 1
