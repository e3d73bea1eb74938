"""Readers of `/rest-api/events` in memory, for tests on a clock of their own."""

from typing import Any

import trio
from attrs import define, field
from starlette.types import Message
from trio.testing import wait_all_tasks_blocked

from actors.access.control import AccessControl
from actors.events.event_log import EventLog
from actors.web.api.server.monitoring import Monitoring
from tests.support.web.stream_world import StreamWorld
from tests.support.web.web_rig import app_of, settings_with


@define(eq=False)
class Reader:
    """One request; `writes` are the pieces of its answer with the times at which they came."""

    status: int = 0
    writes: list[tuple[float, str]] = field(factory=list)
    over: trio.Event = field(factory=trio.Event)
    _asked: int = 0

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.writes)

    @property
    def events(self) -> list[str]:
        """The types of what came."""
        return [line.removeprefix("event: ") for line in self.text.splitlines() if line.startswith("event: ")]

    async def receive(self) -> Message:
        self._asked += 1
        if self._asked > 1:
            await self.over.wait()
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Message) -> None:
        await trio.lowlevel.checkpoint()
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["body"]:
            self.writes.append((trio.current_time(), message["body"].decode()))


async def read(
    nursery: trio.Nursery,
    log: EventLog,
    query: str = "",
    *,
    access: AccessControl | None = None,
    most: int = 50,
    **headers: str,
) -> Reader:
    """A reader that has begun."""
    reader = Reader()
    app = app_of(
        StreamWorld(), settings_with(events_max_readers=most), access=access, monitoring=Monitoring(events=log)
    )
    given = {"host": "127.0.0.1", **headers}
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": "/rest-api/events",
        "query_string": query.encode(),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8081),
        "root_path": "",
    }
    nursery.start_soon(app, scope, reader.receive, reader.send)
    await wait_all_tasks_blocked()
    return reader
