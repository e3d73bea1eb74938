"""The gate of every request: who may come in, and which headers go out.

`Guard` is the one place that refuses a caller. It knows the rules on `Host` and `Origin` (protocol/rest/access.py);
authentication joins them here, as one more reason for a refusal.
"""

import socket
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.logs import get_logger
from actors.web.answers import COUNT_HEADER, TOTAL_HEADER, error_answer
from config.settings import Settings
from protocol.rest.access import AccessRules
from protocol.rest.errors import RestError

log = get_logger("web")

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
"""Asked by load balancers under whatever name they know; they tell nothing and change nothing."""


def access_rules(settings: Settings, own_names: Iterable[str]) -> AccessRules:
    """The rules that the settings make; `own_names` are the names of this machine."""
    return AccessRules(
        origins=frozenset(settings.rest_access_control_allow_origin),
        hosts=frozenset(name.lower() for name in (*own_names, *settings.rest_allowed_hosts)),
        check_host=not settings.rest_allow_unauthenticated_remote,
    )


def machine_names() -> frozenset[str]:
    """What this machine calls itself: its host name, in full and without the domain."""
    name = socket.gethostname()
    return frozenset({name, name.partition(".")[0]} - {""})


class Guard:
    """ASGI middleware: refuses callers, answers preflights, adds the CORS headers of the settings."""

    def __init__(self, app: ASGIApp, *, settings: Settings, rules: AccessRules) -> None:
        self._app = app
        self._rules = rules
        self._extra = settings.rest_access_control_headers
        self._preflight = {
            "Access-Control-Allow-Methods": ",".join(settings.rest_access_control_allow_methods),
            "Access-Control-Allow-Headers": ",".join(settings.rest_access_control_allow_headers),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if refusal := self._refusal(scope, headers):
            log.warning("request refused", path=scope["path"], reason=refusal.message, client=client_address(scope))
            await error_answer(refusal, scope["path"])(scope, receive, send)
            return
        app = Response(headers=self._preflight) if _is_preflight(scope) else self._app
        await app(scope, receive, self._with_cors(send, scope, headers.get("origin")))

    def _refusal(self, scope: Scope, headers: Headers) -> RestError | None:
        return self._rules.refusal(scheme=scope["scheme"], host=headers.get("host"), origin=headers.get("origin"))

    def _with_cors(self, send: Send, scope: Scope, origin: str | None) -> Send:
        """`send`, adding the CORS headers where other origins may be let in: not to the start page and its data."""
        if not _is_api(scope):
            return send
        allowed = self._rules.allow_origin(origin)

        async def send_with_cors(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if allowed is not None:
                    headers["Access-Control-Allow-Origin"] = allowed
                    headers["Access-Control-Expose-Headers"] = f"{COUNT_HEADER},{TOTAL_HEADER}"
                headers.add_vary_header("Origin")
                for name, value in self._extra:
                    headers[name] = value
            await send(message)

        return send_with_cors


def client_address(scope: Scope) -> str:
    """The caller's IP address, as IPv4 where it came as such over an IPv6 socket."""
    client = scope.get("client")
    return client[0].removeprefix("::ffff:") if client else "unknown"


def _is_preflight(scope: Scope) -> bool:
    return bool(scope["method"] == "OPTIONS" and _is_api(scope))


def _is_api(scope: Scope) -> bool:
    """The REST API, and the path of the statistics."""
    path: str = scope["path"]
    return path.startswith("/rest-api/") or path == "/"
