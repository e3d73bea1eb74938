"""The application of the public listeners: routes for anybody, and nothing else.

request -> RequestIds (its id) -> RequestCounting -> PublicGuard (one spelling of a path, headers) -> BodyLimits
-> exception handlers (errors as JSON) -> route

REST, the start page, metrics and the statistics are not here: their paths are unknown, whatever credentials are shown.
"""

from collections.abc import Iterable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from actors.node.ports.balancer import BalancerPort
from actors.node.ports.recorder import RecordFilesPort
from actors.node.ports.whip import WhipPort
from actors.web.api.console.embed_player import EmbedPlayer
from actors.web.api.console.start_page import PageInfo
from actors.web.api.recordings.record_files import RecordFiles
from actors.web.api.routes import ApiRoute, RouteTable
from actors.web.api.server.balancer import BalancerResource
from actors.web.api.streams.whip import WhipResource
from actors.web.guard import plain_path, with_safe_headers
from actors.web.http.body_limits import BodyLimits
from actors.web.open_paths import is_for_pages, with_whip_cors
from actors.web.refusals import Refusals
from actors.web.request_counts import RequestCounting
from actors.web.request_ids import RequestIds
from config.live import follow
from config.settings import Settings
from protocol.metrics.web_counts import WebCounts


def create_public_app(
    settings: Settings,
    *,
    whip: WhipPort,
    records: RecordFilesPort,
    page_info: PageInfo,
    counts: WebCounts | None = None,
    balancer: BalancerPort | None = None,
) -> Starlette:
    """The ASGI application of the public listeners. `records`: files of recordings."""
    refusals = Refusals(tells_missing=False)
    routes = public_routes(settings, whip, records, page_info, refusals)
    table = RouteTable((*routes, *BalancerResource(balancer).routes()))
    layers = [
        Middleware(RequestIds),
        Middleware(RequestCounting, counts=counts or WebCounts(), table=table),
        Middleware(PublicGuard, settings=settings),
        Middleware(BodyLimits, settings=settings),
    ]
    app = Starlette(routes=table.starlette_routes(), middleware=layers, exception_handlers=refusals.handlers())
    app.router.redirect_slashes = False
    return app


def public_routes(
    settings: Settings, whip: WhipPort, records: RecordFilesPort, page_info: PageInfo, refusals: Refusals
) -> Iterable[ApiRoute]:
    """All that is served to anybody; what is not named here does not exist for them."""
    yield from WhipResource(whip, settings, refusals).routes()
    yield from EmbedPlayer(page_info).routes()
    yield from RecordFiles(records, settings, is_public=True).routes()


class PublicGuard:
    """ASGI middleware: says which path is meant, and adds the headers of every response."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self._app = app
        follow(settings, self._adopt)

    def _adopt(self, settings: Settings) -> None:
        self._whip_origins = settings.ws_allowed_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"the public pages are served by http, not {scope['type']}")
        scope["path"] = plain_path(scope["path"])
        send = with_safe_headers(send)
        if is_for_pages(scope["path"]):
            send = with_whip_cors(send, scope, self._whip_origins)
        await self._app(scope, receive, send)
