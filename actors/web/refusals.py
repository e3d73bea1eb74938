"""What becomes of a request that is refused: an answer in JSON, a line in the log, and a mark for the server.

A filter that matches nothing is no refusal: a backend that stops what has just ended does so all day.
The lines are few however many the requests; see `RateLimitedLog`. The mark makes the server hold back the answers to a
client that sends one such request after the other.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import trio
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Scope

from actors.runtime.logs import RateLimitedLog, get_logger
from actors.web.http.exchange import REFUSED
from actors.web.responses import JsonAnswer, error_answer
from protocol.rest.errors import RestError, bad_request, error_body
from protocol.rest.unsupported import is_unsupported

log = get_logger("web")

_EVENTS = {
    HTTPStatus.FORBIDDEN: "request refused",
    HTTPStatus.NOT_FOUND: "request of an unknown path",
    HTTPStatus.METHOD_NOT_ALLOWED: "request of an unknown path",
    HTTPStatus.NOT_IMPLEMENTED: "request of an unknown path",
}
"""The log's event for a status, so that refusals of one kind hide no other; else the request was not understood."""

_REASONS = {
    404: "there is nothing at this path",
    405: "this path does not take this method; the Allow header names those it takes",
}


class Refusals:
    """Answers to requests that are refused. One for the application: its log lines are bounded together."""

    def __init__(self) -> None:
        self._log = RateLimitedLog(log, clock=trio.current_time)

    def answer(self, scope: Scope, error: RestError, headers: Mapping[str, str] | None = None) -> Response:
        """Refuse the request of `scope`, and tell of it."""
        scope.setdefault("state", {})[REFUSED] = True
        setting = {"setting": error.setting} if error.setting else {}
        self._log.warning(
            _EVENTS.get(HTTPStatus(error.status_hint), "request not understood"),
            method=scope["method"],
            path=scope["path"],
            status=error.status_hint,
            reason=error.message,
            client=client_address(scope),
            **setting,
        )
        return error_answer(error, scope["path"], headers)

    # -- Starlette's exception handlers ----------------------------------------------------------------------------

    def handlers(self) -> dict[Any, Any]:
        """By the type of the exception."""
        return {
            RestError: self.on_rest_error,
            HTTPException: self.on_http_exception,
            ClientDisconnect: self.on_disconnect,
            Exception: on_crash,
        }

    async def on_rest_error(self, request: Request, error: RestError) -> Response:
        """Answer a RestError that a handler, or the reading of its body, has raised."""
        # What is left of a body that nobody reads cannot be told from the next request.
        unread = error.status_hint in (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_TIMEOUT)
        return self.answer(request.scope, error, {"Connection": "close"} if unread else None)

    async def on_http_exception(self, request: Request, error: HTTPException) -> Response:
        """Answer what Starlette's routing has found wrong: 404, 405, and 501 for a method of WCS that we have not."""
        path, status = request.url.path, error.status_code
        if status == HTTPStatus.NOT_FOUND and is_unsupported(path.removeprefix("/rest-api/")):
            missing = RestError(HTTPStatus.NOT_IMPLEMENTED, "this server does not have this method of WCS")
            return self.answer(request.scope, missing)
        return self.answer(request.scope, RestError(status, _REASONS.get(status, error.detail)), error.headers)

    async def on_disconnect(self, request: Request, _error: Exception) -> Response:
        """The client went away while its body was read: hardly anybody is left to read an answer."""
        return self.answer(request.scope, bad_request("the body broke off"))


async def on_crash(request: Request, _error: Exception) -> Response:
    """Answer a fault of our own. Starlette raises it again afterwards, so that it is logged with its traceback."""
    body = error_body(500, "internal error; the log of the server has the details", request.url.path)
    return JsonAnswer(body, status_code=500)


def client_address(scope: Scope) -> str:
    """The caller's IP address, as IPv4 where it came as such over an IPv6 socket."""
    client = scope.get("client")
    return client[0].removeprefix("::ffff:") if client else "unknown"
