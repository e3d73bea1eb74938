"""A small world of streams and sessions behind the port that the web service asks."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

import trio
from attrs import evolve

from actors.runtime.actor import StopReason
from actors.runtime.logs import set_session_level
from config.settings import LogLevel
from protocol.node.descriptions import ConnectionDescription, StreamDescription
from protocol.node.filters import ConnectionFilter, StreamFilter
from protocol.rest.paging import ALL, Found, Page
from protocol.rest.resources.streams import NodeReport, TerminateAnswer

NODE = "node-1"


def stream(media_session_id: str, name: str = "room", **fields: Any) -> StreamDescription:
    """A publication named `room`, unless `fields` say otherwise."""
    values: dict[str, Any] = {
        "node_id": NODE,
        "app_key": "defaultApp",
        "session_id": "/127.0.0.1:1/10.0.0.1:8080-a",
        "published": True,
        "has_video": True,
        "has_audio": True,
        "status": "PUBLISHING",
        "create_date": 1_000_000,
    }
    return StreamDescription(media_session_id=media_session_id, name=name, **(values | fields))


def connection(session_id: str, **fields: Any) -> ConnectionDescription:
    """An established session of the default application, unless `fields` say otherwise."""
    values: dict[str, Any] = {
        "node_id": NODE,
        "app_key": "defaultApp",
        "status": "ESTABLISHED",
        "create_date": 1_000_000,
    }
    return ConnectionDescription(session_id=session_id, **(values | fields))


class StreamWorld:
    """Streams that stop when told to; `stuck` ones outlive every deadline. Remembers what it was asked."""

    def __init__(
        self, streams: Iterable[StreamDescription] = (), connections: Iterable[ConnectionDescription] = ()
    ) -> None:
        self.streams = list(streams)
        self.connections = list(connections)
        self.stuck = False
        self.reasons: list[StopReason] = []
        self.counters: Mapping[str, Mapping[str, int | str]] = {}

    @property
    def ids(self) -> set[str]:
        """The ids of the streams that are left."""
        return {each.media_session_id for each in self.streams}

    async def terminate(
        self, query: StreamFilter, reason: StopReason, *, dry_run: bool, deadline: float
    ) -> TerminateAnswer:
        matched = (await self.find(query, ALL, traffic=False)).items
        if dry_run:
            shown = tuple(evolve(each, viewers=self._players_of(each)) for each in matched)
            return TerminateAnswer(nodes=(NodeReport.preview(NODE, shown),))
        await self._stop(matched, reason, deadline)
        return TerminateAnswer(nodes=(NodeReport(node_id=NODE, count=len(matched), all_stopped=not self.stuck),))

    async def find(self, query: StreamFilter, page: Page, *, traffic: bool) -> Found[StreamDescription]:
        matched = [each for each in self.streams if query.matches(each)]
        return Found(total=len(matched), items=tuple(page.of(matched)))

    async def find_connections(self, query: ConnectionFilter, page: Page) -> Found[ConnectionDescription]:
        matched = [each for each in self.connections if query.matches(each)]
        return Found(total=len(matched), items=tuple(page.of(matched)))

    @property
    def here(self) -> Self:
        return self

    async def set_log_level(self, query: ConnectionFilter, level: str) -> TerminateAnswer:
        found = (await self.find_connections(query, ALL)).items
        for session in found:
            set_session_level(session.session_id, LogLevel(level))
        return TerminateAnswer(nodes=(NodeReport(node_id=NODE, count=len(found)),))

    async def terminate_connections(
        self, query: ConnectionFilter, reason: StopReason, *, deadline: float
    ) -> TerminateAnswer:
        self.reasons.append(reason)
        matched = (await self.find_connections(query, ALL)).items
        self.connections = [each for each in self.connections if each not in matched]
        await trio.lowlevel.checkpoint()
        return TerminateAnswer(nodes=(NodeReport(node_id=NODE, count=len(matched)),))

    def statistics(self) -> Mapping[str, Mapping[str, int | str]]:
        return self.counters

    async def _stop(self, matched: tuple[StreamDescription, ...], reason: StopReason, deadline: float) -> None:
        self.reasons.append(reason)
        self.streams = [each for each in self.streams if each not in matched]
        if self.stuck:
            await trio.sleep_until(deadline)

    def _players_of(self, publication: StreamDescription) -> int:
        if not publication.published:
            return 0
        return sum(each.name == publication.name and not each.published for each in self.streams)
