"""The messages between the operator's client and the server: one JSON object per line, one answer per request.

    {"words": ["show", "apps"]}  or  {"line": "show apps"}
    {"ok": true, "changed": false, "message": "", "rows": [{"name": "defaultApp", "key": "defaultApp", ...}]}
    {"ok": false, "error": "refused", "message": "unknown application 'shpo' (did you mean 'shop'?)"}

The server parses a `line` as a shell would; `words` are used unchanged.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from attrs import field, frozen

from protocol.operator.syntax import CommandError, split

MAX_REQUEST_SIZE = 64 * 1024
"""Bytes of a request's line, without its end."""

ROWS_AT_ONCE = 20
"""Rows of an answer that are encoded in one go: at most about a millisecond's work."""

Row = Mapping[str, Any]
"""One thing that is shown: its columns in order. Texts, numbers, yes or no, nothing, or lists and objects of these."""


class ErrorKind(StrEnum):
    """Why a command was not done."""

    USAGE = "usage"
    """It is not a command."""
    REFUSED = "refused"
    """It names something that does not exist, or asks for something impossible."""
    PASSWORD = "password"  # noqa: S105 - a kind of error
    """It needs a password, as its last operand; the message says whose. The client asks for it and tries again."""
    UNCONFIRMED = "unconfirmed"
    """It would do harm by mistake, and goes without --yes; the message is a question. The client asks it at a terminal,
    and tries again with --yes."""
    FAILED = "failed"
    """The server could not do it; trying again later makes sense."""


@frozen(kw_only=True)
class Done:
    """The command was executed, or there was nothing to do. `changed`: something is different now."""

    message: str = ""
    changed: bool = False
    columns: Sequence[str] = ()
    """The columns of the rows that a table for people has; none: all of them."""
    rows: Sequence[Row] = ()
    facts: Mapping[str, object] = field(factory=dict)
    """For the audit file, which a command with facts is written to even if it changes nothing."""


@frozen(kw_only=True)
class NotDone:
    """Nothing was changed. `facts`: for the audit file."""

    error: ErrorKind
    message: str
    facts: Mapping[str, object] = field(factory=dict)


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
    return b"".join(answer_pieces(answer))


def answer_pieces(answer: Answer) -> Iterator[bytes]:
    """The answer as one line, its end included, made piece by piece: a list may have thousands of rows."""
    if isinstance(answer, NotDone):
        yield json.dumps({"ok": False, "error": answer.error.value, "message": answer.message}).encode() + b"\n"
        return
    columns = {"columns": list(answer.columns)} if answer.columns else {}
    head = json.dumps({"ok": True, "changed": answer.changed, "message": answer.message, **columns})
    yield head.removesuffix("}").encode() + b', "rows": ['
    for start in range(0, len(answer.rows), ROWS_AT_ONCE):
        batch = answer.rows[start : start + ROWS_AT_ONCE]
        yield (", " if start else "").encode() + ", ".join(json.dumps(dict(row)) for row in batch).encode()
    yield b"]}\n"
