"""How a refused request is handled: a JSON response, a log line, and a mark for the server.

A filter that matches nothing is not a refusal: backends often stop streams that have just ended. The log lines are
limited however many requests there are; see `RateLimitedLog`. The mark makes the server delay its responses to a client
that keeps sending such requests.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import trio
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Scope

from actors.node.ports.refusals import OtherRefusal
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.web.callers import known_identity
from actors.web.http.asgi_exchange import REFUSED
from actors.web.request_ids import request_id
from actors.web.responses import REQUEST_ID_HEADER, ErrorAnswer, error_answer
from protocol.access.identity import Proof
from protocol.rest.errors import RestError, bad_request, error_body
from protocol.rest.unsupported import instead_of

log = get_logger("web")

_EVENTS = {
    HTTPStatus.UNAUTHORIZED: "login refused",
    HTTPStatus.TOO_MANY_REQUESTS: "login held back",
    HTTPStatus.FORBIDDEN: "request refused",
    HTTPStatus.NOT_FOUND: "request of an unknown path",
    HTTPStatus.METHOD_NOT_ALLOWED: "request of an unknown path",
    HTTPStatus.NOT_IMPLEMENTED: "request of an unknown path",
    HTTPStatus.CONFLICT: "request not carried out",
    HTTPStatus.INTERNAL_SERVER_ERROR: "request not carried out",
    HTTPStatus.SERVICE_UNAVAILABLE: "request not carried out",
    HTTPStatus.GATEWAY_TIMEOUT: "request not carried out",
}
"""The log event by status, so that one kind of refusal does not hide another; else the request was not understood."""
_FOUND_NOTHING = "request found nothing"
"""The log event of a 404 at a path that there is."""

_REASONS = {
    404: "there is nothing at this path",
    405: "this path does not take this method; the Allow header names those it takes",
}


class Refusals:
    """Responses to refused requests. One for the whole application, so that its log lines are limited together.

    `tells_missing`: methods of WCS that we do not have get 501, and not 404.
    """

    def __init__(self, *, tells_missing: bool = True) -> None:
        self._tells_missing = tells_missing
        self._log = RateLimitedLog(log, clock=trio.current_time)

    def answer(
        self, scope: Scope, error: RestError, headers: Mapping[str, str] | None = None, event: str | None = None
    ) -> Response:
        """Refuse the request of `scope`, and log it; `event`: as what, if it does not go by the status."""
        scope.setdefault("state", {})[REFUSED] = True
        setting = {"setting": error.setting} if error.setting else {}
        self._log.warning(
            event or _EVENTS.get(HTTPStatus(error.status_hint), "request not understood"),
            method=scope["method"],
            path=scope["path"],
            status=error.status_hint,
            reason=error.message,
            **caller_fields(scope),
            **setting,
        )
        return error_answer(error, scope["path"], headers)

    # -- Starlette's exception handlers ----------------------------------------------------------------------------

    def handlers(self) -> dict[Any, Any]:
        """By the type of the exception."""
        return {
            RestError: self.on_rest_error,
            OtherRefusal: self.on_other_refusal,
            HTTPException: self.on_http_exception,
            ClientDisconnect: self.on_disconnect,
            Exception: on_crash,
        }

    async def on_rest_error(self, request: Request, error: RestError) -> Response:
        """Respond to a RestError raised by a handler or while reading its body."""
        # What is left of a body that nobody reads cannot be told from the next request.
        unread = error.status_hint in (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_TIMEOUT)
        event = _FOUND_NOTHING if error.status_hint == HTTPStatus.NOT_FOUND else None
        return self.answer(request.scope, error, {"Connection": "close"} if unread else None, event)

    async def on_other_refusal(self, request: Request, error: OtherRefusal) -> Response:
        """Respond to a refusal by another node, whose kind is unknown: 503, as to most that are known."""
        return self.answer(request.scope, RestError(HTTPStatus.SERVICE_UNAVAILABLE, error.info, setting=error.setting))

    async def on_http_exception(self, request: Request, error: HTTPException) -> Response:
        """Respond to errors of Starlette's routing: 404, 405, and 501 for methods of WCS that we do not have."""
        path, status = request.url.path, error.status_code
        instead = instead_of(path.strip("/").removeprefix("rest-api/")) if self._tells_missing else None
        if status == HTTPStatus.NOT_FOUND and instead is not None:
            why = f"this server does not have this method of WCS; {instead}"
            return self.answer(request.scope, RestError(HTTPStatus.NOT_IMPLEMENTED, why))
        return self.answer(request.scope, RestError(status, _REASONS.get(status, error.detail)), error.headers)

    async def on_disconnect(self, request: Request, _error: Exception) -> Response:
        """The client left while its body was read: probably nobody is left to read a response."""
        return self.answer(request.scope, bad_request("the body broke off"))


async def on_crash(request: Request, _error: Exception) -> Response:
    """Respond to an internal error. Starlette raises it again afterwards, so that it is logged with its traceback."""
    body = error_body(500, "internal error; the log of the server has the details", request.url.path)
    # Starlette answers from outside of all layers, which would add this header.
    return ErrorAnswer(body, status_code=500, headers={REQUEST_ID_HEADER: request_id(request.scope)})


def client_address(scope: Scope) -> str:
    """The caller's IP address, as IPv4 where it came as such over an IPv6 socket."""
    client = scope.get("client")
    return client[0].removeprefix("::ffff:") if client else "unknown"


def caller_fields(scope: Scope) -> dict[str, str]:
    """Who sent a request and which one it is, for log lines."""
    caller = known_identity(scope)
    named = {"by": str(caller)} if caller is not None and caller.proof is not Proof.OPEN else {}
    return {"client": client_address(scope), "request": request_id(scope), **named}
