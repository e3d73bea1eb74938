"""Honest newcomers, one after the other: each connects, plays, is terminated by REST, and goes.

visit   interval   from now on one comes each `interval` seconds
sample             what happened since the last sample: times in ms of joins and terminates, and what went wrong
"""

import sys
import time
from collections.abc import Mapping
from typing import Any

import httpx
import trio

from tests.bench.media.peers.control import Task, reply, requests
from tests.support.session.wcs_client import wcs_client

PATIENCE = 10.0
"""Seconds for a join; a page's user has gone by then."""


class Visitors:
    """What the newcomers of this process have seen. `task.server` is the address of the REST API."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._joins: list[float] = []
        self._terminates: list[float] = []
        self._failures: list[str] = []

    async def come(self, interval: float) -> None:
        """Visit until cancelled; a visit that takes long delays the next."""
        while True:
            next_at = trio.current_time() + interval
            try:
                with trio.fail_after(PATIENCE):
                    await self._visit()
            except* Exception as group:  # noqa: BLE001 - whatever a newcomer meets is what is measured
                self._failures.append(_what(group))
            await trio.sleep_until(next_at)

    async def _visit(self) -> None:
        began = time.monotonic()
        async with self._rest_client() as rest, wcs_client(self._task.url) as client:
            stream = await client.play(self._task.stream)
            await stream.until_media()
            self._joins.append((time.monotonic() - began) * 1000)
            began = time.monotonic()
            answer = await rest.post("/rest-api/stream/terminate", json={"mediaSessionId": stream.id})
            answer.raise_for_status()
            self._terminates.append((time.monotonic() - began) * 1000)

    def _rest_client(self) -> httpx.AsyncClient:
        # Opens its connection with the request. Making its TLS context would take longer than all the rest.
        return httpx.AsyncClient(base_url=self._task.server, trust_env=False, timeout=PATIENCE, verify=False)

    def sample(self) -> None:
        reply(joins=self._joins, terminates=self._terminates, failures=self._failures)
        self._joins, self._terminates, self._failures = [], [], []


def _what(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"[:200]


async def run(task: Task) -> None:
    """Serve the bench's requests."""
    visitors = Visitors(task)
    async with trio.open_nursery() as nursery:
        async for request in requests():
            await _serve(visitors, request, nursery)
        nursery.cancel_scope.cancel()


async def _serve(visitors: Visitors, request: Mapping[str, Any], nursery: trio.Nursery) -> None:
    if request["do"] == "visit":
        nursery.start_soon(visitors.come, request["interval"])
        reply()
    else:
        visitors.sample()


if __name__ == "__main__":
    trio.run(run, Task.from_json(sys.argv[1]))
