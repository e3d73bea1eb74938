"""Counts requests by route, method and status, and how long their answers took to begin."""

import trio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.web.api.routes import RouteTable
from protocol.metrics.labels import OTHER
from protocol.metrics.web_counts import WebCounts


class RequestCounting:
    """ASGI middleware. A request whose client leaves before the answer begins is not counted."""

    def __init__(self, app: ASGIApp, *, counts: WebCounts, table: RouteTable) -> None:
        self._app = app
        self._counts = counts
        self._table = table

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = trio.current_time()

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = self._table.find(scope)
                path = OTHER if route is None else route.path
                self._counts.answered(path, scope["method"], message["status"], trio.current_time() - began)
            await send(message)

        await self._app(scope, receive, send_counted)
