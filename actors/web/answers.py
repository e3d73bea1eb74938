"""Answers in JSON: values, lists, the empty success of WCS, and errors."""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import trio
from starlette.responses import JSONResponse, Response

from protocol.rest.errors import RestError, rest_error_body

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
