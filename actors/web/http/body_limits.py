"""How large a request body may be, and how long it may take.

One middleware for all requests: handlers read the body as if there were no limit, and the read raises a RestError.
"""

from http import HTTPStatus

import trio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.runtime.timeouts import fail_after
from config.settings import Settings
from protocol.rest.errors import RestError


class BodyLimits:
    """ASGI middleware: 413 for a body above `rest.max_body_size`, 408 for one that takes too long."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            max_size, timeout = self._settings.rest_max_body_size, self._settings.rest_body_timeout
            receive = _Body(receive, max_size, timeout, _declared_size(scope)).receive
        await self._app(scope, receive, send)


class _Body:
    """One request's body on its way to the handler."""

    def __init__(self, receive: Receive, max_size: int, timeout: float, declared: int) -> None:
        self._receive = receive
        self._max_size = max_size
        self._timeout = timeout
        self._declared = declared
        self._deadline = trio.current_time() + timeout
        self._size = 0
        self._complete = False

    async def receive(self) -> Message:
        if self._complete:  # from here on it is waiting for a disconnect, which may take long
            return await self._receive()
        self._check(self._declared)
        try:
            with fail_after(self._deadline - trio.current_time()):
                message = await self._receive()
        except trio.TooSlowError:
            reason = f"the body did not arrive within {self._timeout:g} s (setting rest.body_timeout)"
            raise RestError(HTTPStatus.REQUEST_TIMEOUT, reason, setting="rest.body_timeout") from None
        self._size += len(message.get("body", b""))
        self._check(self._size)
        self._complete = not message.get("more_body", False)
        return message

    def _check(self, size: int) -> None:
        if size > self._max_size:
            reason = f"the body is larger than {self._max_size} bytes (setting rest.max_body_size)"
            raise RestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason, setting="rest.max_body_size")


def _declared_size(scope: Scope) -> int:
    """The Content-Length, which the HTTP parser has checked to be a number; 0 if there is none."""
    return int(dict(scope["headers"]).get(b"content-length", b"0"))
