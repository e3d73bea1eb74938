"""Answers in JSON: values, lists, the empty success of WCS, and errors."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import trio
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from actors.runtime.slices import slices
from protocol.rest.errors import RestError, rest_error_body

COUNT_HEADER = "X-Terminated-Count"
TOTAL_HEADER = "X-Total-Count"

_BATCH = 20
"""Objects written in one go: about half a millisecond's work."""
_PIECE = 65536
"""Characters after which what has been written is sent."""


class JsonAnswer(JSONResponse):
    """JSON in ASCII: a name that a client chose may hold half of a surrogate pair, which UTF-8 cannot spell."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, separators=(",", ":")).encode()


class ListAnswer(Response):
    """A JSON array, written a few objects at a time: thousands of streams with their SDP hold up no media.

    What is written leaves piece by piece, as the client takes it, so that a long list takes little memory.
    """

    def __init__(self, objects: Iterable[Mapping[str, Any]], headers: Mapping[str, str]) -> None:
        super().__init__(media_type="application/json", headers=headers)
        self._objects = objects

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it: with Content-Length if it is one piece."""
        text, separator, has_started = "[", "", False
        del self.headers["content-length"]
        for batch in slices(self._objects, _BATCH):
            text += separator + ",".join(json.dumps(each, separators=(",", ":")) for each in batch)
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
    """200 without a body but with the type of one, as WCS answers a terminate."""
    return Response(media_type="application/json", headers=headers)


def error_answer(error: RestError, path: str, headers: Mapping[str, str] | None = None) -> JsonAnswer:
    """The answer to a request that is refused."""
    return JsonAnswer(rest_error_body(error, path), status_code=error.status_hint, headers=headers)
