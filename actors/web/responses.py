"""JSON responses: values, lists, WCS's empty success, and errors."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

import trio
from attrs import frozen
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from actors.runtime.slices import slices
from protocol.common.json_text import to_json
from protocol.rest.errors import PROBLEM_JSON, RestError, names_problem_json, rest_error_body
from protocol.rest.fields import Schema

COUNT_HEADER = "X-Terminated-Count"
TOTAL_HEADER = "X-Total-Count"
SENT_HEADER = "X-Sent-Count"
DROPPED_HEADER = "X-Dropped-Count"
MISSING_HEADER = "X-Missing-Count"
BANNED_HEADER = "X-Banned-Count"
LIFTED_HEADER = "X-Lifted-Count"
NODES_HEADER = "X-Cluster-Nodes"
NODES_MISSING_HEADER = "X-Cluster-Missing"
REPLAYED_HEADER = "Idempotency-Replayed"

REQUEST_ID_HEADER = "X-Request-Id"

ETAG_HEADER = "ETag"

OUR_HEADERS: Final[Mapping[str, Schema]] = {
    COUNT_HEADER: {"type": "integer", "description": "how many matched"},
    TOTAL_HEADER: {"type": "integer", "description": "how many there are, on all pages"},
    SENT_HEADER: {"type": "integer", "description": "how many receivers it was sent to"},
    DROPPED_HEADER: {"type": "integer", "description": "how many receivers there was no room for"},
    MISSING_HEADER: {"type": "integer", "description": "how many of the sessions named do not exist"},
    BANNED_HEADER: {"type": "integer", "description": "how many bans were placed"},
    LIFTED_HEADER: {"type": "integer", "description": "how many bans were lifted"},
    NODES_HEADER: {"type": "string", "description": "in a cluster: how many nodes answered, of how many, as in 2/3"},
    NODES_MISSING_HEADER: {
        "type": "string",
        "description": "in a cluster: nodes that did not answer; *: all others",
    },
    REPLAYED_HEADER: {"const": "true", "description": "an earlier request with this Idempotency-Key was answered so"},
    REQUEST_ID_HEADER: {"type": "string", "description": "the id of the request, which log lines about it show"},
    "Location": {"type": "string", "description": "the path of what was begun, for DELETE"},
    ETAG_HEADER: {"type": "string", "description": "the version of the content, for If-None-Match"},
    "Retry-After": {"type": "integer", "description": "seconds after which to try again"},
}
"""Every response header that a program may want to read; CORS exposes these to pages of other origins."""

_BATCH = 20
"""Objects written at a time: about half a millisecond's work."""
_PIECE = 65536
"""Characters after which what has been written is sent."""


class JsonAnswer(JSONResponse):
    """JSON in ASCII: a name chosen by a client may contain half a surrogate pair, which UTF-8 cannot encode."""

    def render(self, content: Any) -> bytes:
        return to_json(content).encode()


class UnfinishedAnswer(JsonAnswer):
    """503: what is known has been done, and the request is to be repeated. `Idempotency-Key` does not keep it."""


class ErrorAnswer(JsonAnswer):
    """An error: JSON, labelled `application/problem+json` (RFC 9457) if the request's `Accept` names that."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.headers.add_vary_header("Accept")
        if names_problem_json(Headers(scope=scope).getlist("accept")):
            self.headers["Content-Type"] = PROBLEM_JSON
        await super().__call__(scope, receive, send)


class ListAnswer(Response):
    """A JSON array, written a few objects at a time, so that thousands of streams with their SDP do not delay media.

    It is sent piece by piece, as the client reads it, so a long list takes little memory. `batch`: how many objects are
    written before other tasks get a turn, 1 for large ones.
    """

    def __init__(
        self, objects: Iterable[Mapping[str, Any]], headers: Mapping[str, str], *, batch: int = _BATCH
    ) -> None:
        super().__init__(media_type="application/json", headers=headers)
        self._objects = objects
        self._batch = batch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it: with Content-Length if it is one piece."""
        text, separator, has_started = "[", "", False
        del self.headers["content-length"]
        for batch in slices(self._objects, self._batch):
            text += separator + ",".join(map(to_json, batch))
            separator = ","
            await trio.lowlevel.checkpoint()
            if len(text) < _PIECE:
                continue
            if not has_started:
                await self._start(send)
            has_started = True
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
            text = ""
        if not has_started:
            self.headers["content-length"] = str(len(text) + 1)
            await self._start(send)
        await send({"type": "http.response.body", "body": f"{text}]".encode(), "more_body": False})

    async def _start(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})


def empty_answer(headers: Mapping[str, str]) -> Response:
    """200 without a body but with a Content-Type, as WCS responds to a terminate."""
    return Response(media_type="application/json", headers=headers)


def error_answer(error: RestError, path: str, headers: Mapping[str, str] | None = None) -> ErrorAnswer:
    """The response to a refused request."""
    return ErrorAnswer(rest_error_body(error, path), status_code=error.status_hint, headers=headers)


@frozen(kw_only=True)
class StaticContent:
    """What does not change while the server runs: made at the start, and sent only to those who do not have it."""

    content: bytes
    media_type: str
    tag: str

    @classmethod
    def of(cls, content: bytes, media_type: str) -> "StaticContent":
        """With the tag that follows from the content."""
        return cls(content=content, media_type=media_type, tag=f'"{hashlib.sha256(content).hexdigest()[:32]}"')

    def answer(self, request: Request, headers: Mapping[str, str] | None = None) -> Response:
        """It, or 304 if `If-None-Match` names its tag."""
        headers = {**(headers or {}), ETAG_HEADER: self.tag, "Cache-Control": "no-cache"}
        if _names_tag(request.headers.getlist("if-none-match"), self.tag):
            return Response(status_code=304, headers=headers)
        return Response(self.content, media_type=self.media_type, headers=headers)


def _names_tag(values: Iterable[str], tag: str) -> bool:
    """Whether `If-None-Match` has this tag, compared weakly (RFC 9110 13.1.2). Our tags contain no comma."""
    given = {each.strip().removeprefix("W/") for each in ",".join(values).split(",")}
    return tag in given or "*" in given
