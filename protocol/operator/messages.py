"""The messages between the operator's client and the server: one JSON object per line, one answer per request.

    {"words": ["show", "apps"]}  or  {"line": "show apps"}
    {"ok": true, "changed": false, "message": "", "rows": [{"name": "defaultApp", "key": "defaultApp", ...}]}
    {"ok": false, "error": "refused", "message": "unknown application 'shpo' (did you mean 'shop'?)"}

The server parses a `line` as a shell would; `words` are used unchanged. The rows for {"complete": "show a"} are the
words that may stand in place of the last one.

The parent of several nodes (`wcsd --nodes`) takes {"node": 2, ...} to choose one of them, and passes a request on with
{"by": "uid 0", ...}, which says who gave it.

The SSH helper says for whom it asks, which can only lower what is permitted, and has passwords compared:

    {"as": {"user": "alice", "from": "192.0.2.1", "key": false}, "line": "show apps"}
    {"login": {"user": "alice", "from": "192.0.2.1", "key": false, "password": "..."}}
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from attrs import evolve, field, frozen

from protocol.operator.grammar import CommandError, split

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


class Form(StrEnum):
    """How an answer is meant to be shown to people."""

    TABLE = "table"
    LINES = "lines"
    """One line for each row, of whatever it holds."""
    SCREEN = "screen"
    """A table that is drawn anew, again and again; where there is no terminal, once."""


@frozen(kw_only=True)
class Done:
    """The command was executed, or there was nothing to do. `changed`: something is different now."""

    message: str = ""
    changed: bool = False
    columns: Sequence[str] = ()
    """The columns of the rows that a table for people has; none: all of them."""
    rows: Sequence[Row] = ()
    form: Form = Form.TABLE
    follow: Sequence[str] = ()
    """The words of the command that goes on from here, `pause` seconds later. None: that was all."""
    pause: float = 0.0
    facts: Mapping[str, object] = field(factory=dict)
    """For the audit file, which a command with facts is written to even if it changes nothing."""


@frozen(kw_only=True)
class NotDone:
    """Nothing was changed. `facts`: for the audit file."""

    error: ErrorKind
    message: str
    facts: Mapping[str, object] = field(factory=dict)


Answer = Done | NotDone


@frozen(kw_only=True)
class RemoteUser:
    """Somebody who gives commands from elsewhere, as the SSH helper tells. `by_key`: logged in by a key."""

    name: str
    address: str
    by_key: bool


@frozen(kw_only=True)
class Login:
    """Whether this user may come in; `password` is None for one that has shown a key."""

    user: RemoteUser
    password: str | None = field(repr=False)


@frozen(kw_only=True)
class OperatorRequest:
    """One line of a client: `words` of a command (none: an empty line), or one of the other two.

    `incomplete`: a line that is being written; the answer's rows are words that may stand in place of its last one.
    `user`: for whom it is asked; None: for the one who has connected. `by`: who that is, if it was passed on.
    """

    words: tuple[str, ...] = ()
    incomplete: str | None = None
    login: Login | None = None
    user: RemoteUser | None = None
    by: str | None = None


def decode_request(data: bytes) -> OperatorRequest:
    """A request's line. CommandError for anything unusable."""
    try:
        request = json.loads(data)
    except (ValueError, RecursionError):
        raise CommandError("the request is not a line of JSON") from None
    match request:
        case {"node": _, **_rest}:
            raise CommandError("this server has no nodes of its own: it was not started by wcsd --nodes")
        case {"by": str(by), **rest}:
            return evolve(decode_request(json.dumps(rest).encode()), by=by)
        case {"login": login, **rest} if not rest:
            return OperatorRequest(login=_login(login))
        case {"as": user, **rest}:
            return evolve(_command(rest), user=_remote_user(user))
        case _:
            return _command(request)


def _command(request: object) -> OperatorRequest:
    match request:
        case {"line": str(line), **rest} if not rest:
            return OperatorRequest(words=split(line))
        case {"complete": str(line), **rest} if not rest:
            return OperatorRequest(incomplete=line)
        case {"words": [*words], **rest} if not rest and all(isinstance(word, str) for word in words):
            return OperatorRequest(words=tuple(words))
        case _:
            raise CommandError('the request must be {"words": [...]}, {"line": "..."} or {"complete": "..."}')


def _login(login: object) -> Login:
    match login:
        case {"password": str(password), **user}:
            return Login(user=_remote_user(user), password=password)
        case _:
            return Login(user=_remote_user(login), password=None)


def _remote_user(user: object) -> RemoteUser:
    match user:
        case {"user": str(name), "from": str(address), "key": bool(by_key), **rest} if not rest:
            return RemoteUser(name=name, address=address, by_key=by_key)
        case _:
            raise CommandError('a user must be {"user": "...", "from": "...", "key": true|false}')


def _how_to_show(answer: Done) -> dict[str, object]:
    shown: dict[str, object] = {"columns": list(answer.columns)} if answer.columns else {}
    if answer.form is not Form.TABLE:
        shown["form"] = answer.form.value
    if answer.follow:
        shown |= {"follow": list(answer.follow), "pause": answer.pause}
    return shown


def answer_pieces(answer: Answer) -> Iterator[bytes]:
    """The answer as one line, its end included, made piece by piece: a list may have thousands of rows."""
    if isinstance(answer, NotDone):
        yield json.dumps({"ok": False, "error": answer.error.value, "message": answer.message}).encode() + b"\n"
        return
    head = json.dumps({"ok": True, "changed": answer.changed, "message": answer.message, **_how_to_show(answer)})
    yield head.removesuffix("}").encode() + b', "rows": ['
    for start in range(0, len(answer.rows), ROWS_AT_ONCE):
        batch = answer.rows[start : start + ROWS_AT_ONCE]
        yield (", " if start else "").encode() + ", ".join(json.dumps(dict(row)) for row in batch).encode()
    yield b"]}\n"
