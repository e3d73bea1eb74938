"""Access control for every request: who may call, which path is meant, and which headers are added.

`Guard` is the only place that refuses a caller, in this order: paths that are open to everybody; the rules on `Origin`
and, while nobody has to log in, on `Host` (protocol/rest/access.py); the preflights of browsers, which carry no
credentials; then credentials and role (`login_check.py`). Anything but an HTTP request stops here.
"""

import re
import socket
from collections.abc import Iterable
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.web.login_check import LoginCheck
from actors.web.open_paths import is_for_pages, is_open, is_record, with_whip_cors
from actors.web.refusals import Refusals
from actors.web.responses import OUR_HEADERS
from config.live import follow
from config.settings import RecordsAccess, Settings
from protocol.rest.access import AccessRules
from protocol.rest.errors import RestError, bad_request


def access_rules(settings: Settings, own_names: Iterable[str], *, is_login_required: bool) -> AccessRules:
    """The rules that follow from the settings; `own_names` are the names of this machine.

    Where callers must log in, any `Host` will do: a page whose name was made to point here has no credentials to send.
    """
    return AccessRules(
        origins=frozenset(settings.rest_access_control_allow_origin),
        hosts=frozenset(name.lower() for name in (*own_names, *settings.rest_allowed_hosts)),
        check_host=not (settings.rest_allow_unauthenticated_remote or is_login_required),
    )


def machine_names() -> frozenset[str]:
    """This machine's host name, with and without the domain."""
    name = socket.gethostname()
    return frozenset({name, name.partition(".")[0]} - {""})


class Guard:
    """ASGI middleware: refuses callers, answers preflights, adds the headers of every response."""

    def __init__(
        self, app: ASGIApp, *, settings: Settings, own_names: frozenset[str], refusals: Refusals, logins: LoginCheck
    ) -> None:
        self._app = app
        self._own_names = own_names
        self._logins = logins
        self._refusals = refusals
        follow(settings, self._adopt)

    def _adopt(self, settings: Settings) -> None:
        self._rules = access_rules(settings, self._own_names, is_login_required=self._logins.is_required)
        self._whip_origins = settings.ws_allowed_origins
        self._are_records_public = settings.records_access is RecordsAccess.PUBLIC
        self._extra = settings.rest_access_control_headers
        self._preflight = {
            "Access-Control-Allow-Methods": ",".join(settings.rest_access_control_allow_methods),
            "Access-Control-Allow-Headers": ",".join(_allowed_headers(settings, self._logins)),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _refuse_other(scope, send)
            return
        scope["path"] = plain_path(scope["path"])
        headers = Headers(scope=scope)
        send = with_safe_headers(send)
        if is_open(scope["path"]) or (self._are_records_public and is_record(scope["path"])):
            await self._app(scope, receive, self._opened(send, scope))
        elif refusal := self._refusal(scope, headers):
            await self._refusals.answer(scope, refusal)(scope, receive, send)
        else:
            app = await self._chosen_app(scope, headers)
            await app(scope, receive, self._with_cors(send, scope, headers.get("origin")))

    def _opened(self, send: Send, scope: Scope) -> Send:
        return with_whip_cors(send, scope, self._whip_origins) if is_for_pages(scope["path"]) else send

    async def _chosen_app(self, scope: Scope, headers: Headers) -> ASGIApp:
        if _is_preflight(scope):
            return Response(headers=self._preflight)
        return await self._logins.refusal(scope, headers) or self._app

    def _refusal(self, scope: Scope, headers: Headers) -> RestError | None:
        origins = headers.getlist("origin")
        if len(origins) > 1:
            return bad_request("Origin is given twice")
        if headers.get("upgrade", "").strip().lower() == "websocket":
            return RestError(HTTPStatus.FORBIDDEN, "WebSockets are served on ws.port and wss.port", setting="ws.port")
        origin = origins[0] if origins else None
        return self._rules.refusal(scheme=scope["scheme"], host=headers.get("host"), origin=origin)

    def _with_cors(self, send: Send, scope: Scope, origin: str | None) -> Send:
        """`send`, adding the CORS headers where other origins may be admitted: not to the start page and its data."""
        if not _is_api(scope):
            return send
        allowed = self._rules.allow_origin(origin)

        async def send_with_cors(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if allowed is not None:
                    headers["Access-Control-Allow-Origin"] = allowed
                    headers["Access-Control-Expose-Headers"] = ",".join(OUR_HEADERS)
                headers.add_vary_header("Origin")
                for name, value in self._extra:
                    headers[name] = value
            await send(message)

        return send_with_cors


def _allowed_headers(settings: Settings, logins: LoginCheck) -> Iterable[str]:
    """What pages of other origins may send; where they must log in, that includes credentials."""
    named = settings.rest_access_control_allow_headers
    if not logins.is_required or any(name.lower() in ("authorization", "*") for name in named):
        return named
    return (*named, "authorization")


def plain_path(path: str) -> str:
    """`path` with single slashes and none at the end.

    A backend whose base URL ends with a slash means the same path, and its terminate must not get lost.
    """
    return re.sub("/{2,}", "/", path).rstrip("/") or "/"


async def _refuse_other(scope: Scope, send: Send) -> None:
    """Close a WebSocket before it is accepted; raise for any other kind of traffic."""
    if scope["type"] != "websocket":
        raise ValueError(f"the web application serves http, not {scope['type']}")
    await send({"type": "websocket.close", "code": 1000, "reason": ""})


def with_safe_headers(send: Send) -> Send:
    """`send`, adding headers that keep a response from being stored, sniffed, or read by a page of another origin."""

    async def send_safely(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _SAFE_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return send_safely


_SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def _is_preflight(scope: Scope) -> bool:
    return bool(scope["method"] == "OPTIONS" and _is_api(scope))


def _is_api(scope: Scope) -> bool:
    """The REST API, and the path of the statistics."""
    path: str = scope["path"]
    return path.startswith("/rest-api/") or path == "/"
