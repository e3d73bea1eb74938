"""Drains to watch, and publications that end when a test says so."""

import math

import trio

from actors.node.drain import Drain


class Streams:
    """Some publications, and players, which may be waiting for a stream that nobody publishes."""

    def __init__(self, publications: int) -> None:
        self.stream_counts = publications, 7
        self._ended = trio.Event()

    async def until_change(self) -> None:
        await self._ended.wait()

    def end_one(self) -> None:
        self.stream_counts = self.stream_counts[0] - 1, 7
        self._ended.set()
        self._ended = trio.Event()


class Watched:
    """A drain that runs; `ended_at`: when it was over."""

    def __init__(self, drain: Drain) -> None:
        self._drain = drain
        self.ended_at = math.inf

    async def run(self) -> None:
        await self._drain.run()
        self.ended_at = trio.current_time()
