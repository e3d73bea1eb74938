"""Completion at the prompt: what may come next, names included."""

import shlex
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from attrs import frozen

from actors.access.control import AccessControl
from actors.node.ports.control import NodeControl
from actors.node.ports.room import RoomControl
from actors.storage.app_store import AppStore
from actors.storage.source_store import SourceStore
from config.apps import ALL_METHODS
from protocol.access.roles import Role
from protocol.node.filters import ConnectionFilter, RoomFilter, StreamFilter
from protocol.node.server_events import EventType
from protocol.operator.callers import Operator
from protocol.operator.proposals import NameKind, propose
from protocol.rest.paging import ALL

MOST_NAMES: Final = 100
"""Names in one answer."""


@frozen(kw_only=True)
class Completer:
    """Looks up the names that completion proposes."""

    apps: AppStore
    access: AccessControl
    sources: SourceStore
    node: NodeControl
    rooms: RoomControl

    async def complete(self, line: str, operator: Operator) -> list[str]:
        """Words that may stand in place of the last one, in order; of names, the first MOST_NAMES."""
        proposals = propose(line)
        if operator.role < Role.VIEW:
            return []
        words = [word for word in proposals.words if word.startswith(proposals.current)]
        if proposals.names is None:
            return words
        names = await self._names(proposals.names, operator)
        written = (proposals.before + shlex.quote(name) for name in sorted(set(names)) if name and name.isprintable())
        fitting = [word for word in written if word.startswith(proposals.current)]
        return fitting[:MOST_NAMES] + words

    async def _names(self, kind: NameKind, operator: Operator) -> Iterable[str]:
        match kind:
            case NameKind.METHOD:
                return ALL_METHODS
            case NameKind.EVENT_TYPE:
                return EventType
        live = self._live(operator.apps)
        if kind in live:
            return await live[kind]()
        return self._kept(kind, operator) if operator.role >= Role.ADMIN else []

    def _kept(self, kind: NameKind, operator: Operator) -> list[str]:
        """What the tables hold; only for those who may see these."""
        apps = [app for app in self.apps.table.apps if operator.apps is None or app.key in operator.apps]
        accounts = self.access.store.table
        return {
            NameKind.APP_NAME: [app.name for app in apps],
            NameKind.APP_KEY: [app.key for app in apps],
            NameKind.USER: [user.name for user in accounts.users],
            NameKind.TOKEN: [token.name for token in accounts.tokens],
            NameKind.SOURCE: [source.name for source in self.sources.table.sources],
        }[kind]

    def _live(self, apps: frozenset[str] | None) -> Mapping[NameKind, Callable[[], Awaitable[Iterable[str]]]]:
        async def streams() -> Iterable[str]:
            found = await self.node.find(StreamFilter(app_keys=apps), ALL, traffic=False)
            return [stream.name for stream in found.items]

        async def media_sessions() -> Iterable[str]:
            found = await self.node.find(StreamFilter(app_keys=apps), ALL, traffic=False)
            return [stream.media_session_id for stream in found.items]

        async def sessions() -> Iterable[str]:
            found = await self.node.find_connections(ConnectionFilter(app_keys=apps), ALL)
            return [session.session_id for session in found.items]

        async def rooms() -> Iterable[str]:
            return [room.name for room in (await self.rooms.find(RoomFilter(app_keys=apps), ALL)).items]

        return {
            NameKind.STREAM: streams,
            NameKind.MEDIA_SESSION: media_sessions,
            NameKind.SESSION: sessions,
            NameKind.ROOM: rooms,
        }
