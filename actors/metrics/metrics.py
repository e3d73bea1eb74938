"""`/metrics` as bytes, made at most once a second for all who ask."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import trio

from actors.metrics.exposition import Readings, Source, exposition, process_registry
from protocol.metrics.families import BY_NAME
from protocol.metrics.web_counts import WebCounts

MAX_AGE: Final = 1.0
"""Seconds for which all who ask get the same."""


class Metrics:
    """What the sources read, in the text format. `census`: what takes longer to read, in slices.

    `web`: where requests are counted.
    """

    def __init__(
        self,
        sources: Sequence[Source] = (),
        census: Callable[[], Awaitable[Readings]] | None = None,
        *,
        web: WebCounts | None = None,
    ) -> None:
        self.web = web or WebCounts()
        self._sources = tuple(sources)
        self._census = census
        self._registry = process_registry()

    async def render(self) -> bytes:
        """All families, in the order of `FAMILIES`."""
        readings = dict(await self._census()) if self._census is not None else {}
        for source in self._sources:
            readings.update(source())
            await trio.lowlevel.checkpoint()
        return await exposition({name: readings[name] for name in BY_NAME if name in readings}, self._registry)
