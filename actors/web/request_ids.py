"""`X-Request-Id`: an id for each request, which the response carries and the log lines about the request show.

A caller may choose it, to find its own requests in our log; otherwise it is a random one.
"""

import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.web.http.asgi_exchange import REQUEST_ID
from actors.web.responses import REQUEST_ID_HEADER

_CHOSEN = re.compile(r"[!-~]{1,128}")
"""What a caller may choose: visible ASCII. Anything else is replaced, and not an error: the header only names."""


class RequestIds:
    """ASGI middleware: gives each request its id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).getlist(REQUEST_ID_HEADER)
        chosen = given[0] if len(given) == 1 and _CHOSEN.fullmatch(given[0]) else secrets.token_hex(8)
        scope.setdefault("state", {})[REQUEST_ID] = chosen

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = chosen
            await send(message)

        await self._app(scope, receive, send_with_id)


def request_id(scope: Scope) -> str:
    """The id of the request of `scope`."""
    return str(scope.get("state", {}).get(REQUEST_ID, "unknown"))
