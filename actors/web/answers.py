"""Answers in JSON: values, the empty success of WCS, and errors."""

import json
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from itertools import islice
from typing import Any

import trio
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from protocol.rest.errors import RestError, error_body, rest_error_body
from protocol.rest.unsupported import is_unsupported

COUNT_HEADER = "X-Terminated-Count"
TOTAL_HEADER = "X-Total-Count"

_BATCH = 20
"""Objects written in one go: about half a millisecond's work."""


class JsonAnswer(JSONResponse):
    """JSON in ASCII: a name that a client chose may hold half of a surrogate pair, which UTF-8 cannot spell."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, separators=(",", ":")).encode()


async def list_answer(objects: Iterable[Mapping[str, Any]], headers: Mapping[str, str]) -> Response:
    """A JSON array, written a few objects at a time: thousands of streams with their SDP must not hold up media."""
    parts: list[str] = []
    for batch in _batches(objects):
        parts.extend(json.dumps(each, separators=(",", ":")) for each in batch)
        await trio.lowlevel.checkpoint()
    return Response(f"[{','.join(parts)}]", media_type="application/json", headers=headers)


def _batches(objects: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], ...]]:
    remaining = iter(objects)
    return iter(lambda: tuple(islice(remaining, _BATCH)), ())


def empty_answer(headers: Mapping[str, str]) -> Response:
    """200 without a body but with the type of one, as WCS answers a terminate."""
    return Response(media_type="application/json", headers=headers)


def error_answer(error: RestError, path: str, headers: Mapping[str, str] | None = None) -> JsonAnswer:
    """The answer to a request that is refused."""
    return JsonAnswer(rest_error_body(error, path), status_code=error.status_hint, headers=headers)


# -- for Starlette's exception handlers ------------------------------------------------------------------------------


async def on_rest_error(request: Request, error: RestError) -> Response:
    """Answer a RestError that a handler, or the reading of its body, has raised."""
    # What is left of a body that nobody reads cannot be told from the next request.
    unread = error.status_hint in (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_TIMEOUT)
    return error_answer(error, request.url.path, {"Connection": "close"} if unread else None)


async def on_http_exception(request: Request, error: HTTPException) -> Response:
    """Answer what Starlette's routing has found wrong: 404, 405, and 501 for a method of WCS that we do not have."""
    path = request.url.path
    if error.status_code == HTTPStatus.NOT_FOUND and is_unsupported(path.removeprefix("/rest-api/")):
        return error_answer(RestError(HTTPStatus.NOT_IMPLEMENTED, "this server does not have this method of WCS"), path)
    reason = _REASONS.get(error.status_code, error.detail)
    return JsonAnswer(error_body(error.status_code, reason, path), status_code=error.status_code, headers=error.headers)


async def on_disconnect(request: Request, _error: Exception) -> Response:
    """The client went away while its body was read: nobody is left to read an answer."""
    return JsonAnswer(error_body(400, "the body broke off", request.url.path), status_code=400)


async def on_crash(request: Request, _error: Exception) -> Response:
    """Answer a fault of our own. Starlette raises it again afterwards, so that it is logged with its traceback."""
    body = error_body(500, "internal error; the log of the server has the details", request.url.path)
    return JsonAnswer(body, status_code=500)


EXCEPTION_HANDLERS: dict[Any, Any] = {
    RestError: on_rest_error,
    HTTPException: on_http_exception,
    ClientDisconnect: on_disconnect,
    Exception: on_crash,
}

_REASONS = {
    404: "there is nothing at this path",
    405: "this path does not take this method; the Allow header names those it takes",
}
