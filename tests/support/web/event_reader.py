"""A program that reads `/rest-api/events` over a connection of its own."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import h11
import trio
from attrs import define, field, frozen

from tests.support.nurseries import plain_nursery
from tests.support.session.wcs_client import PATIENCE


@frozen
class Watched:
    """One event, as it came."""

    id: str
    kind: str
    fields: dict[str, Any]


@define(eq=False)
class EventReader:
    """`events` holds whatever came."""

    _stream: trio.SocketStream
    events: list[Watched] = field(factory=list)
    headers: dict[str, str] = field(factory=dict)
    began: trio.Event = field(factory=trio.Event)
    ended: trio.Event = field(factory=trio.Event)
    _engine: h11.Connection = field(factory=lambda: h11.Connection(h11.CLIENT))
    _text: str = ""
    _changed: trio.Event = field(factory=trio.Event)

    async def run(self, target: str, headers: dict[str, str]) -> None:
        """Ask, and read until the answer ends."""
        request = h11.Request(method="GET", target=target, headers=[("host", "127.0.0.1"), *headers.items()])
        for part in (request, h11.EndOfMessage()):
            await self._stream.send_all(self._engine.send(part) or b"")
        while not self.ended.is_set():
            match self._engine.next_event():
                case h11.NEED_DATA:
                    self._engine.receive_data(await self._stream.receive_some())
                case h11.Response() as response:
                    self.headers = {name.decode(): value.decode() for name, value in response.headers}
                    self.began.set()
                case h11.Data(data=data):
                    self._take(data.decode())
                case _:
                    self.ended.set()

    def _take(self, text: str) -> None:
        *blocks, self._text = (self._text + text).split("\n\n")
        for block in blocks:
            fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if "data" in fields:
                self.events.append(Watched(fields["id"], fields["event"], json.loads(fields["data"])))
        self._changed.set()
        self._changed = trio.Event()

    async def until(self, kind: str) -> Watched:
        """The first event of this type, now or later."""
        with trio.fail_after(PATIENCE):
            while not (found := [each for each in self.events if each.kind == kind]):
                await self._changed.wait()
        return found[0]


@asynccontextmanager
async def event_reader(port: int, query: str = "", **headers: str) -> AsyncIterator[EventReader]:
    """A reader whose answer has begun; it leaves at the end."""
    async with plain_nursery() as nursery:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        async with stream:
            reader = EventReader(stream)
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            nursery.start_soon(reader.run, f"/rest-api/events{query}", named)
            with trio.fail_after(PATIENCE):
                await reader.began.wait()
            yield reader
            nursery.cancel_scope.cancel()
