"""The start page: its files, its data, and the headers that isolate it.

The page acts on streams through the ordinary REST API, which admits its origin.
"""

import mimetypes
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from attrs import frozen
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from actors.metrics.exposition import CONTENT_TYPE
from actors.node.ports.control import NodeControl
from actors.node.ports.room import RoomControl
from actors.web.api.console.tables import SNAPSHOT_AGE, STATE_QUERY, PageTables, table_query
from actors.web.api.routes import ApiRoute
from actors.web.api.server.health import Readiness
from actors.web.api.shared_snapshots import SharedSnapshots
from actors.web.callers import check_unbound, identity_of
from actors.web.responses import JsonAnswer, StaticContent
from protocol.access.roles import Role
from protocol.common.json_text import to_json
from protocol.rest import schemas
from protocol.rest.operations import ANYONE, Answer
from protocol.rest.query import read_query
from protocol.rest.resources.page_login import caller_object
from protocol.rest.resources.stat import QUERY as STAT_QUERY
from protocol.rest.resources.stat import Groups, StatFormat, stat_format, stat_json, stat_text

PAGES = Path(__file__).parents[2] / "pages"
CONSOLE = PAGES / "console"
SIGNALLING_CLIENT = PAGES / "wcs.js"
"""The player for frames has it too."""


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
        *,
        clock: Callable[[], int],
        ready: Callable[[], Readiness],
        metrics: Callable[[], Awaitable[bytes]],
        statistics: Callable[[], Awaitable[Groups]],
    ) -> None:
        self._ready = ready
        self._metrics = metrics
        self._statistics = statistics
        self._info = info
        self._headers = security_headers(info)
        self._tables = PageTables(streams, rooms, clock)
        self._written: SharedSnapshots[str] = SharedSnapshots(SNAPSHOT_AGE)
        files = {path: path.relative_to(CONSOLE) for path in sorted(CONSOLE.rglob("*")) if path.is_file()}
        files[SIGNALLING_CLIENT] = Path(SIGNALLING_CLIENT.name)
        self._files = {str(place): _read_file(path) for path, place in files.items()}

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
                return JsonAnswer(stat_json(await self._statistics(), parameters))
            case StatFormat.TEXT:
                return PlainTextResponse(stat_text(await self._statistics(), parameters))

    async def start(self, request: Request) -> Response:
        """The page itself."""
        read_query(request.scope["query_string"])
        return self._file(request, "index.html")

    async def file(self, request: Request) -> Response:
        """A script or style of the page."""
        return self._file(request, request.url.path.removeprefix("/"))

    async def state(self, request: Request) -> Response:
        """What the page shows, as JSON: see `tables`."""
        query = table_query(STATE_QUERY.read(read_query(request.scope["query_string"])))
        identity = identity_of(request.scope)
        tables = await self._written.get((identity.apps, query), lambda: self._tables.written(request.scope, query))
        own = {
            "version": self._info.version,
            "caller": caller_object(identity),
            "missing": list(self._ready().missing),
            "ws": _endpoint(self._info.ws),
            "wss": _endpoint(self._info.wss),
        }
        return Response(f"{to_json(own)[:-1]},{tables}}}", media_type="application/json", headers=self._headers)

    def _file(self, request: Request, name: str) -> Response:
        return self._files[name].answer(request, self._headers)


def _read_file(path: Path) -> StaticContent:
    return StaticContent.of(path.read_bytes(), mimetypes.guess_type(path.name)[0] or "application/octet-stream")


def security_headers(info: PageInfo) -> dict[str, str]:
    """Headers of the page: it runs only its own files, connects only to this server, and cannot be framed."""
    sockets = f"ws://*:{info.ws[1]} wss://*:{info.wss[1]}"
    policy = (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
        f"connect-src 'self' {sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


def _endpoint(where: tuple[str, int]) -> dict[str, str | int]:
    return {"address": where[0], "port": where[1]}
