"""The web application: its routes, and the layers every request passes through.

request -> RequestIds (its id) -> RequestCounting -> Guard (who may call) -> BodyLimits (how much)
-> exception handlers (errors as JSON) -> route
"""

from collections.abc import Callable
from functools import partial

from starlette.applications import Starlette
from starlette.middleware import Middleware

from actors.access.control import AccessControl
from actors.node.bans import Bans
from actors.node.control_port import NodeControl
from actors.node.data_port import MessagePorts
from actors.node.drain import Drain
from actors.node.drain_port import LocalDrain
from actors.web.api.administration import AdminResource
from actors.web.api.apps import AppPort, AppResource
from actors.web.api.bans import BanResource
from actors.web.api.connections import ConnectionResource
from actors.web.api.console.login import PageLoginResource
from actors.web.api.console.start_page import PageInfo, StartPage, now_ms
from actors.web.api.console.tabs import ConsoleResource
from actors.web.api.data import DataResource
from actors.web.api.description import ApiDescription
from actors.web.api.echo import ECHO_ROUTES
from actors.web.api.embed_player import EmbedPlayer
from actors.web.api.events import EventResource
from actors.web.api.health import Health, Readiness
from actors.web.api.kicks import Kicks
from actors.web.api.looks import looks_of
from actors.web.api.metrics import MetricsResource
from actors.web.api.monitoring import Monitoring
from actors.web.api.rooms import RoomResource
from actors.web.api.routes import ApiRoute, RouteTable, needed_role
from actors.web.api.sources import SourcePort, SourceResource
from actors.web.api.streams import StreamResource
from actors.web.audit_trail import AuditTrail
from actors.web.guard import Guard, machine_names
from actors.web.http.body_limits import BodyLimits
from actors.web.login_check import LoginCheck
from actors.web.media_routes import MediaPorts, media_routes
from actors.web.refusals import Refusals
from actors.web.request_counts import RequestCounting
from actors.web.request_ids import RequestIds
from config.settings import Settings
from protocol.metrics.web_counts import WebCounts


def create_app(
    streams: NodeControl,
    settings: Settings,
    *,
    access: AccessControl,
    messages: MessagePorts,
    page_info: PageInfo,
    ready: Callable[[], Readiness],
    own_names: frozenset[str] | None = None,
    clock: Callable[[], int] = now_ms,
    bans: Bans | None = None,
    admin: AdminResource | None = None,
    monitoring: Monitoring | None = None,
    apps: AppPort | None = None,
    sources: SourcePort | None = None,
    media: MediaPorts = MediaPorts(),  # noqa: B008 - it cannot be changed
) -> Starlette:
    """The ASGI application of both REST listeners.

    `own_names`: host names of this machine (None: ask it); `clock`: milliseconds since the epoch; `bans`: those that
    streams and sessions know; `admin`: what acts on the whole server; `apps`: None for a server without it.
    """
    refusals, monitoring = Refusals(), monitoring or Monitoring()
    routes = api_routes(
        streams,
        settings,
        messages=messages,
        page_info=page_info,
        ready=ready,
        clock=clock,
        bans=bans,
        logins=PageLoginResource(access, refusals).routes(),
        admin=admin,
        monitoring=monitoring,
        apps=apps,
        sources=sources,
        media=tuple(media_routes(media, settings, refusals)),
    )
    return _assembled(RouteTable(routes), settings, access, refusals, own_names, monitoring.metrics.web)


def _assembled(
    table: RouteTable,
    settings: Settings,
    access: AccessControl,
    refusals: Refusals,
    own_names: frozenset[str] | None,
    counts: WebCounts,
) -> Starlette:
    layers = _layers(settings, access, table, refusals, own_names, counts)
    app = Starlette(routes=table.starlette_routes(), middleware=layers, exception_handlers=refusals.handlers())
    app.router.redirect_slashes = False  # a redirect would make a POST into a surprise
    return app


def _layers(
    settings: Settings,
    access: AccessControl,
    table: RouteTable,
    refusals: Refusals,
    own_names: frozenset[str] | None,
    counts: WebCounts,
) -> list[Middleware]:
    """What a request passes through, from the outside in."""
    names = machine_names() if own_names is None else own_names
    logins = LoginCheck(access, partial(needed_role, table), refusals, counts)
    return [
        Middleware(RequestIds),
        Middleware(RequestCounting, counts=counts, table=table),
        Middleware(Guard, settings=settings, own_names=names, refusals=refusals, logins=logins),
        Middleware(AuditTrail, audit=access.audit),
        Middleware(BodyLimits, settings=settings),
    ]


def api_routes(
    streams: NodeControl,
    settings: Settings,
    *,
    messages: MessagePorts,
    page_info: PageInfo,
    ready: Callable[[], Readiness],
    clock: Callable[[], int],
    bans: Bans | None = None,
    logins: tuple[ApiRoute, ...] = (),
    admin: AdminResource | None = None,
    monitoring: Monitoring | None = None,
    apps: AppPort | None = None,
    sources: SourcePort | None = None,
    media: tuple[ApiRoute, ...] = (),
) -> tuple[ApiRoute, ...]:
    """Every route of the application; `logins`: those of the page, `media`: those of `media_routes`."""
    kicks = Kicks(bans or Bans())
    monitoring = monitoring or Monitoring()
    looks = looks_of(monitoring, streams.statistics)
    shown = MetricsResource(looks.metrics)
    routes = (
        *StreamResource(streams, settings, kicks, monitoring.events).routes(),
        *ConnectionResource(streams, settings, kicks).routes(),
        *BanResource(kicks).routes(),
        *(() if apps is None else AppResource(apps, kicks.once).routes()),
        *(() if sources is None else SourceResource(sources, kicks.once).routes()),
        *DataResource(messages, settings, once=kicks.once).routes(),
        *RoomResource(messages.rooms, settings, kicks).routes(),
        *(admin or AdminResource(LocalDrain(Drain()))).routes(),
        *ECHO_ROUTES,
        *Health(ready).routes(),
        *shown.routes(),
        *EventResource(monitoring.events, settings).routes(),
        *_pages(StartPage(streams, messages.rooms, page_info, clock, ready, shown.make, looks.statistics), page_info),
        *ConsoleResource(streams, monitoring, clock, looks).routes(),
        *logins,
        *media,
    )
    return (*routes, ApiDescription(routes, version=page_info.version).route)


def _pages(start_page: StartPage, page_info: PageInfo) -> tuple[ApiRoute, ...]:
    return (*start_page.routes(), *EmbedPlayer(page_info).routes())
