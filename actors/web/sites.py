"""The sites that a server has: REST with the start page, and the public one. They share no connections.

Neither can take the other's: each has its listeners, its application and its limits.
"""

import socket
import ssl
from collections.abc import Mapping
from functools import partial
from typing import Final

import trio
from starlette.types import ASGIApp

from actors.net.accept import Reserve
from actors.net.server_listeners import PUBLIC, ServerListeners
from actors.web.http.server import HttpListener, WebLimits, serve_web
from config.listeners import LISTENERS, requires_proxy_protocol
from config.settings import Settings
from protocol.metrics.web_counts import WebCounts

REST: Final = ("http", "https")
PUBLIC_LIMITS: Final = WebLimits(setting="public.max_connections", reserve=Reserve.SESSIONS)
"""Anybody connects here: that leaves to REST and the operator what sessions leave to them."""


async def serve_sites(
    rest: ASGIApp,
    public: ASGIApp,
    *,
    listeners: ServerListeners,
    tls: Mapping[str, ssl.SSLContext],
    settings: Settings,
    shutdown: trio.Event,
    counts: WebCounts,
) -> None:
    """Serve both until `shutdown` is set; see `serve_web`. `tls` has the listeners' contexts by their names."""
    of_rest = http_listeners(listeners.among(REST), tls, settings)
    of_public = http_listeners(listeners.among(PUBLIC), tls, settings)
    async with trio.open_nursery() as sites:
        sites.start_soon(partial(serve_web, rest, of_rest, settings, shutdown, counts=counts))
        serve_public = partial(serve_web, public, of_public, settings, shutdown, limits=PUBLIC_LIMITS)
        sites.start_soon(partial(serve_public, counts=counts))


def http_listeners(
    opened: Mapping[str, socket.socket], tls: Mapping[str, ssl.SSLContext], settings: Settings
) -> list[HttpListener]:
    """Opened sockets, with the TLS and the settings of the listeners whose names they have."""
    return [
        HttpListener(
            listener=opened[keys.name],
            name=keys.name,
            tls=tls.get(keys.name),
            proxy_setting=keys.proxy_protocol if requires_proxy_protocol(settings, keys) else None,
        )
        for keys in LISTENERS
        if keys.name in opened
    ]
