"""The start page: its files, its data, and the headers that isolate it.

The page acts on streams through the ordinary REST API, which admits its origin.
"""

import mimetypes
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import trio
from attrs import evolve, frozen
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Scope

from actors.metrics.exposition import CONTENT_TYPE
from actors.node.control_port import NodeControl
from actors.node.room_port import RoomControl
from actors.runtime.slices import slices
from actors.web.api.health import Readiness
from actors.web.api.routes import ApiRoute
from actors.web.api.shared_snapshots import SharedSnapshots
from actors.web.callers import check_unbound, identity_of, narrowed
from actors.web.responses import JsonAnswer, StaticContent, to_json
from protocol.access.roles import Role
from protocol.node.descriptions import ConnectionDescription, StreamDescription
from protocol.node.filters import ConnectionFilter, RoomFilter, StreamFilter
from protocol.rest import schemas
from protocol.rest.fields import TEXT, Field, FieldTable
from protocol.rest.operations import ANYONE, Answer
from protocol.rest.page_login import caller_object
from protocol.rest.paging import LIMIT, NOTHING, OFFSET, Page, page_of
from protocol.rest.query import read_query
from protocol.rest.stat import QUERY as STAT_QUERY
from protocol.rest.stat import StatFormat, stat_format, stat_json, stat_text
from protocol.rooms.descriptions import RoomDescription

PAGES = Path(__file__).parent.parent / "pages"

FIND = Field("find", TEXT, "text that a session or stream shows somewhere")
STATE_QUERY = FieldTable(FIND, OFFSET, LIMIT, noun="query parameter")
MAX_ROWS = 500
"""Rows per table that the page gets unless it asks for another number; it always gets the totals."""
MAX_ROOMS = 100
"""The same for rooms, which are larger."""
MAX_MEMBERS = 50
"""Members of a room that the page is told of by login; it always gets their number."""
SNAPSHOT_AGE = 1.0
"""Seconds for which all pages that show the same get the same tables."""
ROWS_AT_ONCE = 50
"""Rows written before other tasks get a turn."""


@frozen(kw_only=True)
class PageInfo:
    """What the page must know about this server: its version and where its WebSockets listen, as (address, port)."""

    version: str
    ws: tuple[str, int]
    wss: tuple[str, int]


def now_ms() -> int:
    """Milliseconds since the epoch, the clock of `create_date`."""
    return time.time_ns() // 1_000_000


class StartPage:
    """The page at `/`, with `/?action=stat`, the files beside it and `/page/state`."""

    def __init__(
        self,
        streams: NodeControl,
        rooms: RoomControl,
        info: PageInfo,
        clock: Callable[[], int],
        ready: Callable[[], Readiness],
        metrics: Callable[[], Awaitable[bytes]],
    ) -> None:
        self._streams = streams
        self._ready = ready
        self._metrics = metrics
        self._rooms = rooms
        self._info = info
        self._clock = clock
        self._headers = security_headers(info)
        self._tables: SharedSnapshots[str] = SharedSnapshots(SNAPSHOT_AGE)
        self._files = {path.name: _read_file(path) for path in sorted(PAGES.iterdir()) if path.is_file()}

    def routes(self) -> tuple[ApiRoute, ...]:
        files = (
            ApiRoute(path=f"/{name}", endpoint=self.file, role=ANYONE, summary="a file of the page", is_described=False)
            for name in self._files
        )
        return (
            ApiRoute(
                path="/",
                action="stat",
                endpoint=self.statistics,
                role=Role.VIEW,
                summary="get the statistics, or the start page",
                description="Without `action=stat`, this path is the start page, which is open to anyone.",
                query=STAT_QUERY,
                answers=(
                    Answer(description="the statistics, or the page", schema=schemas.TEXT, media_type="text/plain"),
                    Answer(description="the same", schema=schemas.STATISTICS),
                    Answer(description="the same", schema=schemas.TEXT, media_type="text/html"),
                ),
            ),
            ApiRoute(path="/", endpoint=self.start, role=ANYONE, summary="the start page", is_described=False),
            ApiRoute(
                path="/page/state",
                endpoint=self.state,
                role=Role.VIEW,
                summary="what the start page shows",
                fields=STATE_QUERY,
                is_described=False,
            ),
            *files,
        )

    async def statistics(self, request: Request) -> Response:
        """The statistics that the SDK's console reads."""
        check_unbound(request.scope, "this")
        parameters = read_query(request.scope["query_string"])
        match stat_format(parameters):
            case StatFormat.PROMETHEUS:
                return Response(await self._metrics(), headers={"Content-Type": CONTENT_TYPE})
            case StatFormat.JSON:
                return JsonAnswer(stat_json(self._streams.statistics(), parameters))
            case StatFormat.TEXT:
                return PlainTextResponse(stat_text(self._streams.statistics(), parameters))

    async def start(self, request: Request) -> Response:
        """The page itself."""
        read_query(request.scope["query_string"])
        return self._file(request, "index.html")

    async def file(self, request: Request) -> Response:
        """A script or style of the page."""
        return self._file(request, request.url.path.removeprefix("/"))

    async def state(self, request: Request) -> Response:
        """What the page shows, as JSON; `find` searches all tables, `offset` and `limit` page through them."""
        given = STATE_QUERY.read(read_query(request.scope["query_string"]))
        page, wanted = page_of(given, limit=MAX_ROWS), given[FIND] or None
        identity = identity_of(request.scope)
        tables = await self._tables.get(
            (identity.apps, page, wanted), lambda: self._make_tables(request.scope, page, wanted)
        )
        own = {
            "version": self._info.version,
            "caller": caller_object(identity),
            "missing": list(self._ready().missing),
            "ws": _endpoint(self._info.ws),
            "wss": _endpoint(self._info.wss),
        }
        return Response(f"{to_json(own)[:-1]},{tables}}}", media_type="application/json", headers=self._headers)

    async def _make_tables(self, scope: Scope, page: Page, wanted: str | None) -> str:
        """The part of the state that all pages share, without braces."""
        now = self._clock()
        sessions = await self._streams.find_connections(narrowed(scope, ConnectionFilter(text=wanted)), page)
        streams = await self._streams.find(narrowed(scope, StreamFilter(text=wanted)), page, traffic=True)
        fewer = evolve(page, limit=MAX_ROOMS if page.limit is None else min(page.limit, MAX_ROOMS))
        rooms = await self._rooms.find(narrowed(scope, RoomFilter(text=wanted)), fewer)
        matching = {"sessions": sessions.total, "streams": streams.total, "rooms": rooms.total}
        totals = {"totals": matching if wanted is None else await self._totals(scope), "matching": matching}
        session_rows = await _table(_session_row(session, now) for session in sessions.items)
        stream_rows = await _table(_stream_row(stream, now) for stream in streams.items)
        room_rows = await _table(_room_row(room, now) for room in rooms.items)
        return f'{to_json(totals)[1:-1]},"sessions":[{session_rows}],"streams":[{stream_rows}],"rooms":[{room_rows}]'

    async def _totals(self, scope: Scope) -> dict[str, int]:
        """How many there are of everything, whatever is searched for."""
        sessions = await self._streams.find_connections(narrowed(scope, ConnectionFilter()), NOTHING)
        streams = await self._streams.find(narrowed(scope, StreamFilter()), NOTHING, traffic=False)
        rooms = await self._rooms.find(narrowed(scope, RoomFilter()), NOTHING)
        return {"sessions": sessions.total, "streams": streams.total, "rooms": rooms.total}

    def _file(self, request: Request, name: str) -> Response:
        return self._files[name].answer(request, self._headers)


def _read_file(path: Path) -> StaticContent:
    return StaticContent.of(path.read_bytes(), mimetypes.guess_type(path.name)[0] or "application/octet-stream")


def security_headers(info: PageInfo) -> dict[str, str]:
    """Headers of the page: it runs only its own files, connects only to this server, and cannot be framed."""
    sockets = f"ws://*:{info.ws[1]} wss://*:{info.wss[1]}"
    policy = (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' blob:; "
        f"connect-src 'self' {sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


async def _table(rows: Iterable[dict[str, Any]]) -> str:
    """The rows in JSON, made some at a time."""
    texts: list[str] = []
    for some in slices(rows, ROWS_AT_ONCE):
        texts += map(to_json, some)
        await trio.lowlevel.checkpoint()
    return ",".join(texts)


def _endpoint(where: tuple[str, int]) -> dict[str, str | int]:
    return {"address": where[0], "port": where[1]}


def _session_row(session: ConnectionDescription, now: int) -> dict[str, Any]:
    return {
        "sessionId": session.session_id,
        "appKey": session.app_key,
        "status": session.status,
        "origin": session.origin,
        "streams": session.streams,
        "age": _age(session.create_date, now),
    }


def _stream_row(stream: StreamDescription, now: int) -> dict[str, Any]:
    return {
        "name": stream.name,
        "mediaSessionId": stream.media_session_id,
        "sessionId": stream.session_id,
        "direction": stream.media_type,
        "status": stream.status,
        "audioCodec": stream.audio_codec,
        "videoCodec": stream.video_codec,
        "width": stream.width,
        "height": stream.height,
        "bitrate": stream.traffic.bitrate_kbps if stream.traffic else 0,
        "viewers": stream.viewers,
        "age": _age(stream.create_date, now),
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
