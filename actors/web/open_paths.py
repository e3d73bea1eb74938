"""Paths outside of REST's access control: probes, and WHIP and WHEP, whose `Authorization` is for the backend.

A token of REST that is sent there is not looked up. Pages of every origin that `ws.allowed_origins` lets connect may
use WHIP and WHEP.
"""

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Scope, Send

from protocol.rest.access import is_named

PROBES = frozenset({"/healthz", "/readyz"})
"""Load balancers may request them under any host name: they reveal nothing and change nothing."""

WHIP_PREFIXES = ("/whip/", "/whep/", "/rest-api/stream/publish/")

LB_PATH = "/rest-api/lb"
"""Pages ask it before they have a session.

Those of all origins may: what it tells is no secret, and a page that may not read the answer would wait for ever, where
the WebSocket that it opens next is refused at once.
"""

RECORDS_PREFIX = "/client/records/"

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "POST, DELETE, PATCH, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
    "Access-Control-Max-Age": "600",
}


def is_open(path: str) -> bool:
    """Whether anybody may send requests to `path`, which has no double slashes and none at its end."""
    return path in PROBES or is_for_pages(path)


def is_whip(path: str) -> bool:
    """Whether `path` is one of WHIP or WHEP."""
    return path.startswith(WHIP_PREFIXES)


def is_for_pages(path: str) -> bool:
    """Whether pages of those origins may use `path`."""
    return path == LB_PATH or is_whip(path)


def is_record(path: str) -> bool:
    """Whether `path` is a finished recording's, which `records.access` may make public."""
    return path.startswith(RECORDS_PREFIX)


def allows_origin(origin: str | None, allowed: Collection[str]) -> bool:
    """Whether a page of this origin may use WHIP; None: no page."""
    return "*" in allowed or origin is None or is_named(origin, allowed)


def with_whip_cors(send: Send, scope: Scope, allowed: Collection[str]) -> Send:
    """`send`, adding to every response, errors included, what lets a page read it."""
    origin = Headers(scope=scope).get("origin")
    if "*" in allowed or scope["path"] == LB_PATH:
        shown: str | None = "*"
    else:
        shown = origin if origin is not None and is_named(origin, allowed) else None

    async def send_with_cors(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.add_vary_header("Origin")
            if shown is not None:
                headers["Access-Control-Allow-Origin"] = shown
                headers["Access-Control-Expose-Headers"] = "Location, ETag, Link, X-Request-Id, Retry-After"
                if scope["method"] == "OPTIONS":
                    headers.update(_PREFLIGHT)
        await send(message)

    return send_with_cors
