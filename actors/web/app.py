"""The web application: its routes, and the layers every request passes through.

request -> RequestIds (its id) -> RequestCounting -> Guard (who may call) -> BodyLimits (how much)
-> exception handlers (errors as JSON) -> route
"""

from collections.abc import Callable, Iterator
from functools import partial

from attrs import field, frozen
from starlette.applications import Starlette
from starlette.middleware import Middleware

from actors.access.control import AccessControl
from actors.node.bans import Bans
from actors.node.drain import Drain
from actors.node.ports.control import NodeControl
from actors.node.ports.data import MessagePorts
from actors.node.ports.drain import LocalDrain
from actors.node.ports.keyed_requests import KeyedRequests
from actors.node.ports.refusals import NodesSilent
from actors.web.api.clients.bans import BanResource
from actors.web.api.clients.connections import ConnectionResource
from actors.web.api.clients.data import DataResource
from actors.web.api.clients.rooms import RoomResource
from actors.web.api.console.embed_player import EmbedPlayer
from actors.web.api.console.login import PageLoginResource
from actors.web.api.console.start_page import PageInfo, StartPage, now_ms
from actors.web.api.console.tabs import ConsoleResource
from actors.web.api.coverage import on_nodes_silent
from actors.web.api.kicks import Kicks
from actors.web.api.routes import ApiRoute, RouteTable, needed_role
from actors.web.api.server.administration import AdminResource
from actors.web.api.server.apps import AppPort, AppResource
from actors.web.api.server.description import ApiDescription
from actors.web.api.server.echo import ECHO_ROUTES
from actors.web.api.server.events import EventResource
from actors.web.api.server.health import Health, Readiness
from actors.web.api.server.looks import Looks, looks_of
from actors.web.api.server.metrics import MetricsResource
from actors.web.api.server.monitoring import Monitoring
from actors.web.api.streams.sources import SourcePort, SourceResource
from actors.web.api.streams.streams import StreamResource
from actors.web.audit_trail import AuditTrail
from actors.web.guard import Guard, machine_names
from actors.web.http.body_limits import BodyLimits
from actors.web.login_check import LoginCheck
from actors.web.media_routes import MediaPorts, media_routes
from actors.web.refusals import Refusals
from actors.web.request_counts import RequestCounting
from actors.web.request_ids import RequestIds
from config.settings import Settings


@frozen(kw_only=True)
class RestPorts:
    """What the routes of the REST listeners act through, and what they show."""

    streams: NodeControl
    settings: Settings
    access: AccessControl
    messages: MessagePorts
    page_info: PageInfo
    ready: Callable[[], Readiness]
    bans: Bans = field(factory=Bans)
    """Those that streams and sessions know."""
    admin: AdminResource = field(factory=lambda: AdminResource(LocalDrain(Drain())))
    """What acts on the whole server."""
    monitoring: Monitoring = field(factory=Monitoring)
    apps: AppPort | None = None
    """None: a server without; so it is with the next ones."""
    sources: SourcePort | None = None
    media: MediaPorts = field(factory=MediaPorts)
    keyed_requests: KeyedRequests | None = None
    """Those of the other nodes of a cluster."""
    clock: Callable[[], int] = now_ms
    """Milliseconds since the epoch."""


def create_app(ports: RestPorts, own_names: frozenset[str] | None = None) -> Starlette:
    """The ASGI application of both REST listeners. `own_names`: host names of this machine (None: ask it)."""
    refusals = Refusals()
    table = RouteTable(api_routes(ports, refusals))
    app = Starlette(
        routes=table.starlette_routes(),
        middleware=_layers(ports, table, refusals, own_names),
        exception_handlers=refusals.handlers() | {NodesSilent: on_nodes_silent},
    )
    app.router.redirect_slashes = False  # a redirect would make a POST into a surprise
    return app


def _layers(
    ports: RestPorts, table: RouteTable, refusals: Refusals, own_names: frozenset[str] | None
) -> list[Middleware]:
    """What a request passes through, from the outside in."""
    names = machine_names() if own_names is None else own_names
    counts = ports.monitoring.metrics.web
    logins = LoginCheck(ports.access, partial(needed_role, table), refusals, counts)
    return [
        Middleware(RequestIds),
        Middleware(RequestCounting, counts=counts, table=table),
        Middleware(Guard, settings=ports.settings, own_names=names, refusals=refusals, logins=logins),
        Middleware(AuditTrail, audit=ports.access.audit),
        Middleware(BodyLimits, settings=ports.settings),
    ]


def api_routes(ports: RestPorts, refusals: Refusals) -> tuple[ApiRoute, ...]:
    """Every route of the application."""
    streams, settings, messages, monitoring = ports.streams, ports.settings, ports.messages, ports.monitoring
    kicks = Kicks(ports.bans, ports.keyed_requests)
    looks = looks_of(monitoring, streams.statistics)
    routes = (
        *StreamResource(streams, settings, kicks, monitoring.events).routes(),
        *ConnectionResource(streams, settings, kicks).routes(),
        *BanResource(kicks).routes(),
        *(() if ports.apps is None else AppResource(ports.apps, kicks.once).routes()),
        *(() if ports.sources is None else SourceResource(ports.sources, kicks.once).routes()),
        *DataResource(messages, settings, once=kicks.once).routes(),
        *RoomResource(messages.rooms, settings, kicks).routes(),
        *ports.admin.routes(),
        *ECHO_ROUTES,
        *Health(ports.ready).routes(),
        *EventResource(monitoring.events, settings).routes(),
        *_pages(ports, looks),
        *PageLoginResource(ports.access, refusals).routes(),
        *media_routes(ports.media, settings, refusals),
    )
    return (*routes, ApiDescription(routes, version=ports.page_info.version).route)


def _pages(ports: RestPorts, looks: Looks) -> Iterator[ApiRoute]:
    """The console, the metrics that it shows too, and the player for other sites."""
    metrics, rooms = MetricsResource(looks.metrics), ports.messages.rooms
    yield from metrics.routes()
    yield from StartPage(
        ports.streams,
        rooms,
        ports.page_info,
        clock=ports.clock,
        ready=ports.ready,
        metrics=metrics.make,
        statistics=looks.statistics,
    ).routes()
    yield from EmbedPlayer(ports.page_info).routes()
    yield from ConsoleResource(ports.streams, ports.monitoring, ports.clock, looks).routes()
