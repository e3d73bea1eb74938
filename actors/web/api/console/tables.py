"""The tables of the console: a page of streams, sessions or rooms, searched and sorted by the server.

Rows in their own order, oldest first, are looked up as they are. For another order all rows must be known: that is one
snapshot a second, which all consoles share.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

import trio
from attrs import evolve, frozen
from starlette.types import Scope

from actors.node.ports.control import NodeControl
from actors.node.ports.room import RoomControl
from actors.runtime.slices import slices
from actors.web.api.shared_snapshots import SharedSnapshots
from actors.web.callers import narrowed
from protocol.common.json_text import to_json
from protocol.node.descriptions import ConnectionDescription, StreamDescription, StreamTraffic
from protocol.node.filters import ConnectionFilter, RoomFilter, StreamFilter
from protocol.rest.errors import bad_request
from protocol.rest.fields import TEXT, Field, FieldTable, FieldValues, one_of
from protocol.rest.paging import ALL, LIMIT, NOTHING, OFFSET, Found, Page, page_of
from protocol.rooms.descriptions import RoomDescription

TABLES: Final = ("streams", "sessions", "rooms")
TAB: Final = Field("tab", one_of(*TABLES), "the only table that is wanted")
FIND: Final = Field("find", TEXT, "text that a session, stream or room shows somewhere")
SORT: Final = Field("sort", TEXT, "what the rows of `tab` are sorted by; with `-` before it, the greatest first")
STATE_QUERY: Final = FieldTable(TAB, FIND, SORT, OFFSET, LIMIT, noun="query parameter")

ROWS: Final = 60
"""Rows of a page, unless a console asks for another number."""
MAX_ROWS: Final = 500
"""The most that it gets."""
MAX_ROOMS: Final = 100
"""The same for rooms, which are larger."""
MAX_MEMBERS: Final = 50
"""Members of a room that the page is told of by login; it always gets their number."""
SNAPSHOT_AGE: Final = 1.0
"""Seconds for which all pages that show the same get the same tables."""
ROWS_AT_ONCE: Final = 50
"""Rows written before other tasks get a turn."""
KEYS_AT_ONCE: Final = 500
"""The same for rows looked at to be sorted."""

T = TypeVar("T")
Key = Callable[[T], Any]

NO_TRAFFIC: Final = StreamTraffic()


def _traffic(stream: StreamDescription) -> StreamTraffic:
    return stream.traffic or NO_TRAFFIC


def _loss(stream: StreamDescription) -> float:
    traffic = _traffic(stream)
    return traffic.lost / (traffic.lost + traffic.packets) if traffic.lost else 0.0


STREAM_KEYS: Final[Mapping[str, Key[StreamDescription]]] = {
    "name": lambda stream: stream.name.casefold(),
    "direction": lambda stream: stream.media_type,
    "status": lambda stream: stream.status,
    "codecs": lambda stream: (stream.video_codec or "", stream.audio_codec or ""),
    "size": lambda stream: stream.width * stream.height,
    "bitrate": lambda stream: _traffic(stream).bitrate_kbps,
    "loss": _loss,
    "rtt": lambda stream: _traffic(stream).round_trip_ms,
    "viewers": lambda stream: stream.viewers,
    "age": lambda stream: -stream.create_date,
}
MEASURED: Final = ("bitrate", "loss", "rtt")
"""Those for which the media of every stream have to be looked at."""
SESSION_KEYS: Final[Mapping[str, Key[ConnectionDescription]]] = {
    "session": lambda session: session.session_id,
    "appKey": lambda session: session.app_key,
    "status": lambda session: session.status,
    "origin": lambda session: session.origin or "",
    "streams": lambda session: session.streams,
    "age": lambda session: -session.create_date,
}
ROOM_KEYS: Final[Mapping[str, Key[RoomDescription]]] = {
    "name": lambda room: room.name.casefold(),
    "members": lambda room: len(room.members),
    "streams": lambda room: room.stream_count,
    "age": lambda room: -room.create_date,
}
_KEYS: Final[Mapping[str, Mapping[str, Key[Any]]]] = {
    "streams": STREAM_KEYS, "sessions": SESSION_KEYS, "rooms": ROOM_KEYS,
}  # fmt: skip


@frozen(kw_only=True)
class TableQuery:
    """What a console wants to see. `sort` is the name of a key, for one table only."""

    tab: str | None = None
    find: str | None = None
    sort: str | None = None
    is_descending: bool = False
    page: Page

    def shows(self, table: str) -> bool:
        return self.tab in (None, table)


def table_query(given: FieldValues) -> TableQuery:
    """What the query string of `/page/state` asks for. RestError (400) for an order that there is not."""
    tab, order, page = given[TAB], given[SORT] or "", page_of(given, limit=ROWS)
    sort = order.removeprefix("-") or None
    if sort is not None and sort not in _KEYS.get(tab or "", ()):
        known = ", ".join(_KEYS[tab]) if tab else "none without `tab`"
        raise bad_request(f"sort {order[:64]!r} is not known; known here: {known}", key=SORT.name)
    limit = min(page.limit or 0, MAX_ROWS)
    return TableQuery(
        tab=tab,
        find=given[FIND] or None,
        sort=sort,
        is_descending=order.startswith("-"),
        page=evolve(page, limit=limit),
    )


class PageTables:
    """The tables of one node. `clock`: milliseconds since the epoch."""

    def __init__(self, streams: NodeControl, rooms: RoomControl, clock: Callable[[], int]) -> None:
        self._streams = streams
        self._rooms = rooms
        self._clock = clock
        self._all_streams: SharedSnapshots[tuple[StreamDescription, ...]] = SharedSnapshots(SNAPSHOT_AGE)
        self._all_sessions: SharedSnapshots[tuple[ConnectionDescription, ...]] = SharedSnapshots(SNAPSHOT_AGE)

    async def written(self, scope: Scope, query: TableQuery) -> str:
        """The tables as members of a JSON object, without its braces."""
        now = self._clock()
        matching: dict[str, int] = {}
        rows: dict[str, str] = {}

        async def add(table: str, found: Found[T], row: Callable[[T, int], dict[str, Any]]) -> None:
            matching[table] = found.total
            if query.shows(table):
                rows[table] = await _written(row(item, now) for item in found.items)

        await add("sessions", await self._find_sessions(scope, query), _session_row)
        await add("streams", await self._find_streams(scope, query), stream_row)
        await add("rooms", await self._find_rooms(scope, query), _room_row)
        totals = matching if query.find is None else await self._totals(scope)
        shown = "".join(f',"{table}":[{text}]' for table, text in rows.items())
        return f"{to_json({'totals': totals, 'matching': matching})[1:-1]}{shown}"

    async def _find_streams(self, scope: Scope, query: TableQuery) -> Found[StreamDescription]:
        wanted = narrowed(scope, StreamFilter(text=query.find))
        if not query.shows("streams"):
            return await self._streams.find(wanted, NOTHING, traffic=False)
        if query.sort is None:
            return await self._streams.find(wanted, query.page, traffic=True)

        is_measured = query.sort in MEASURED

        async def look() -> tuple[StreamDescription, ...]:
            return (await self._streams.find(StreamFilter(), ALL, traffic=is_measured)).items

        chosen = await _sorted(await self._all_streams.get(is_measured, look), wanted.matches, STREAM_KEYS, query)
        ids = [stream.media_session_id for stream in chosen.items]
        some = narrowed(scope, StreamFilter(media_session_ids=frozenset(ids)))
        now = {each.media_session_id: each for each in (await self._streams.find(some, ALL, traffic=True)).items}
        return Found(total=chosen.total, items=tuple(now[each] for each in ids if each in now))

    async def _find_sessions(self, scope: Scope, query: TableQuery) -> Found[ConnectionDescription]:
        wanted = narrowed(scope, ConnectionFilter(text=query.find))
        if not query.shows("sessions"):
            return await self._streams.find_connections(wanted, NOTHING)
        if query.sort is None:
            return await self._streams.find_connections(wanted, query.page)

        async def look() -> tuple[ConnectionDescription, ...]:
            return (await self._streams.find_connections(ConnectionFilter(), ALL)).items

        return await _sorted(await self._all_sessions.get("", look), wanted.matches, SESSION_KEYS, query)

    async def _find_rooms(self, scope: Scope, query: TableQuery) -> Found[RoomDescription]:
        wanted = narrowed(scope, RoomFilter(text=query.find))
        fewer = evolve(query, page=evolve(query.page, limit=min(query.page.limit or 0, MAX_ROOMS)))
        if not query.shows("rooms"):
            return await self._rooms.find(wanted, NOTHING)
        if query.sort is None:
            return await self._rooms.find(wanted, fewer.page)
        all_rooms = (await self._rooms.find(wanted, ALL)).items
        return await _sorted(all_rooms, lambda room: True, ROOM_KEYS, fewer)

    async def _totals(self, scope: Scope) -> dict[str, int]:
        """How many there are of everything, whatever is searched for."""
        sessions = await self._streams.find_connections(narrowed(scope, ConnectionFilter()), NOTHING)
        streams = await self._streams.find(narrowed(scope, StreamFilter()), NOTHING, traffic=False)
        rooms = await self._rooms.find(narrowed(scope, RoomFilter()), NOTHING)
        return {"sessions": sessions.total, "streams": streams.total, "rooms": rooms.total}


async def _sorted(
    items: Iterable[T], matches: Callable[[T], bool], keys: Mapping[str, Key[T]], query: TableQuery
) -> Found[T]:
    """The page of those that match, in the order asked for; equal ones keep theirs."""
    key = keys[query.sort or ""]
    keyed: list[tuple[Any, T]] = []
    for some in slices(items, KEYS_AT_ONCE):
        keyed += [(key(item), item) for item in some if matches(item)]
        await trio.lowlevel.checkpoint()
    keyed.sort(key=lambda each: each[0], reverse=query.is_descending)
    return Found(total=len(keyed), items=tuple(item for _, item in query.page.of(keyed)))


async def _written(rows: Iterable[dict[str, Any]]) -> str:
    """The rows in JSON, made some at a time."""
    texts: list[str] = []
    for some in slices(rows, ROWS_AT_ONCE):
        texts += map(to_json, some)
        await trio.lowlevel.checkpoint()
    return ",".join(texts)


# -- rows --------------------------------------------------------------------------------------------------------------


def stream_row(stream: StreamDescription, now: int) -> dict[str, Any]:
    """A stream as the console shows it; `now` in milliseconds since the epoch."""
    traffic = stream.traffic
    return {
        "name": stream.name,
        "mediaSessionId": stream.media_session_id,
        "sessionId": stream.session_id,
        "appKey": stream.app_key,
        "direction": stream.media_type,
        "status": stream.status,
        "audioCodec": stream.audio_codec,
        "videoCodec": stream.video_codec,
        "width": stream.width,
        "height": stream.height,
        "bitrate": traffic.bitrate_kbps if traffic else 0,
        "packets": traffic.packets if traffic else 0,
        "lost": traffic.lost if traffic else 0,
        "rtt": traffic.round_trip_ms if traffic else 0,
        "viewers": stream.viewers,
        "roomName": stream.room_name,
        "age": _age(stream.create_date, now),
    }


def _session_row(session: ConnectionDescription, now: int) -> dict[str, Any]:
    return {
        "sessionId": session.session_id,
        "appKey": session.app_key,
        "status": session.status,
        "origin": session.origin,
        "streams": session.streams,
        "age": _age(session.create_date, now),
    }


def _room_row(room: RoomDescription, now: int) -> dict[str, Any]:
    return {
        "name": room.name,
        "appKey": room.app_key,
        "memberCount": len(room.members),
        "members": [member.login for member in room.members[:MAX_MEMBERS]],
        "streams": room.stream_count,
        "age": _age(room.create_date, now),
    }


def _age(create_date: int, now: int) -> int:
    """Whole seconds since then; never negative, even if the machine's clock was set back."""
    return max(0, now - create_date) // 1000
