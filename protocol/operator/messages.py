"""The messages between the operator's client and the server: one JSON object per line, one answer per request.

    {"words": ["show", "apps"]}  or  {"line": "show apps"}
    {"ok": true, "changed": false, "message": "", "rows": [{"name": "defaultApp", "key": "defaultApp", ...}]}
    {"ok": false, "error": "refused", "message": "unknown application 'shpo' (did you mean 'shop'?)"}

The server parses a `line` as a shell would; `words` are used unchanged.
"""

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum

from attrs import frozen

from protocol.operator.syntax import CommandError, split

MAX_REQUEST_SIZE = 64 * 1024
"""Bytes of a request's line, without its end."""

Row = Mapping[str, str | int | bool | Sequence[str] | None]
"""One thing that is shown: its columns in order. Texts, numbers, yes or no, nothing, or a list of texts."""


class ErrorKind(StrEnum):
    """Why a command was not done."""

    USAGE = "usage"
    """It is not a command."""
    REFUSED = "refused"
    """It names something that does not exist, or asks for something impossible."""
    PASSWORD = "password"  # noqa: S105 - a kind of error
    """It needs a password, as its last operand; the message says whose. The client asks for it and tries again."""
    FAILED = "failed"
    """The server could not do it; trying again later makes sense."""


@frozen(kw_only=True)
class Done:
    """The command was executed, or there was nothing to do. `changed`: something is different now."""

    message: str = ""
    changed: bool = False
    rows: Sequence[Row] = ()


@frozen(kw_only=True)
class NotDone:
    """Nothing was changed."""

    error: ErrorKind
    message: str


Answer = Done | NotDone


def decode_request(data: bytes) -> tuple[str, ...]:
    """The words of a request's line; none for an empty line or a comment. CommandError for anything unusable."""
    try:
        request = json.loads(data)
    except (ValueError, RecursionError):
        raise CommandError("the request is not a line of JSON") from None
    match request:
        case {"line": str(line), **rest} if not rest:
            return split(line)
        case {"words": [*words], **rest} if not rest and all(isinstance(word, str) for word in words):
            return tuple(words)
        case _:
            raise CommandError('the request must be {"words": [...]} or {"line": "..."}')


def encode_answer(answer: Answer) -> bytes:
    """The answer as one line, its end included."""
    document: dict[str, object]
    match answer:
        case Done(message=message, changed=changed, rows=rows):
            document = {"ok": True, "changed": changed, "message": message, "rows": [dict(row) for row in rows]}
        case NotDone(error=error, message=message):
            document = {"ok": False, "error": error.value, "message": message}
    return json.dumps(document).encode() + b"\n"
