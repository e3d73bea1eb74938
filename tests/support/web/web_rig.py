"""The web application around a small world, in process or on real sockets."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import httpx
from starlette.applications import Starlette

from actors.access.control import AccessControl
from actors.node.bans import Bans
from actors.node.data_delivery import DataDelivery
from actors.node.ports.control import NodeControl
from actors.node.ports.data import MessagePorts
from actors.node.ports.keyed_requests import KeyedRequests
from actors.node.supervisor import Supervisor
from actors.operator.commands.app_desk import AppDesk, app_desk
from actors.operator.commands.sources import SourceDesk
from actors.rooms import RoomDirectory, RoomServices
from actors.storage.app_store import AppStore
from actors.storage.source_store import SourceStore
from actors.stream.event_delivery import StreamEventDelivery
from actors.web.api.console.start_page import PageInfo
from actors.web.api.routes import ApiRoute
from actors.web.api.server.health import Readiness
from actors.web.api.server.monitoring import Monitoring
from actors.web.app import RestPorts, api_routes, create_app
from actors.web.media_routes import MediaPorts
from actors.web.refusals import Refusals
from config.apps import default_table
from config.settings import Settings, TerminateAll
from config.tables.apps_file import write_apps
from config.tables.sources_file import write_sources
from protocol.capture.named_sources import SourceTable
from tests.support.web.access import access_of

PAGE = PageInfo(version="1.2.3", ws=("0.0.0.0", 8080), wss=("::", 8443))
NOW_MS = 1_090_500
OWN = "http://127.0.0.1:8081"


def settings_with(*, rest_terminate_all: str = "allow", **fields: Any) -> Settings:
    """The default settings but for `fields`."""
    return attrs.evolve(Settings(), rest_terminate_all=TerminateAll(rest_terminate_all), **fields)


def messages_to(supervisor: Supervisor, node_id: str = "node1", *, rooms: RoomDirectory | None = None) -> MessagePorts:
    """What REST can send to the sessions of a supervisor."""
    services = RoomServices(node_id=node_id, settings=Settings(), wall_clock=lambda: NOW_MS / 1000)
    return MessagePorts(
        data=DataDelivery(node_id, supervisor),
        stream_events=StreamEventDelivery(supervisor),
        rooms=RoomDirectory(services, supervisor) if rooms is None else rooms,
    )


def routes_of(world: NodeControl) -> tuple[ApiRoute, ...]:
    """Every route of the application."""
    messages = messages_to(Supervisor())
    ports = RestPorts(
        streams=world,
        settings=Settings(),
        access=open_access(),
        messages=messages,
        page_info=PAGE,
        ready=Readiness,
        clock=lambda: NOW_MS,
        apps=shipped_apps(),
        sources=no_sources(),
    )
    return api_routes(ports, Refusals())


def shipped_apps() -> AppDesk:
    """The applications of a new server, none of which can be changed."""
    store = AppStore(Path(os.devnull) / "apps.toml", default_table(), None, write_apps)
    return app_desk(store, Settings(), "node1")


def no_sources() -> SourceDesk:
    """An empty table of sources, to which none can be added."""
    return SourceDesk(SourceStore(Path(os.devnull) / "sources.toml", SourceTable(), None, write_sources))


def app_of(
    world: NodeControl,
    settings: Settings | None = None,
    *,
    messages: MessagePorts | None = None,
    ready: Callable[[], Readiness] = Readiness,
    access: AccessControl | None = None,
    bans: Bans | None = None,
    monitoring: Monitoring | None = None,
    apps: AppDesk | None = None,
    media: MediaPorts = MediaPorts(),  # noqa: B008 - it cannot be changed
    sources: SourceDesk | None = None,
    keyed_requests: KeyedRequests | None = None,
) -> Starlette:
    """The application, on a machine named `media-1`; nobody has to log in unless `access` says so."""
    ports = RestPorts(
        streams=world,
        settings=settings or Settings(),
        access=access or open_access(),
        messages=messages or messages_to(Supervisor()),
        page_info=PAGE,
        ready=ready,
        clock=lambda: NOW_MS,
        bans=bans or Bans(),
        monitoring=monitoring or Monitoring(),
        apps=apps or shipped_apps(),
        media=media,
        sources=sources or no_sources(),
        keyed_requests=keyed_requests,
    )
    return create_app(ports, own_names=frozenset({"media-1"}))


def open_access() -> AccessControl:
    """Nobody has to log in."""
    return access_of(Path(os.devnull), is_required=False)


def client_of(
    world: NodeControl, settings: Settings | None = None, *, base_url: str = OWN, crashes: bool = True, **rest: Any
) -> httpx.AsyncClient:
    """A client that talks to the application without a network; with `crashes` false, faults of ours become a 500."""
    transport = httpx.ASGITransport(app_of(world, settings, **rest), raise_app_exceptions=crashes)
    return httpx.AsyncClient(transport=transport, base_url=base_url)
