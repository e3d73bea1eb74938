"""One command as a conversation: what is asked of the server and of the person, in turn. It does no I/O.

`wcs` and the SSH helper each carry it on in their own way. Standard library only.
"""

from collections.abc import Generator, Mapping
from enum import IntEnum
from typing import Any, NamedTuple

Answered = dict[str, Any]
"""An answer of the server, as it sends it."""


class Exit(IntEnum):
    """What the exit code of a command means."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    FAILED = 4


_EXIT_OF_ERROR = {
    "refused": Exit.REFUSED,
    "usage": Exit.USAGE,
    "password": Exit.USAGE,
    "unconfirmed": Exit.REFUSED,
    "failed": Exit.FAILED,
    "unreachable": Exit.UNREACHABLE,
}


class Question(NamedTuple):
    """A question to the person. The reply to a secret one is the password, or None if it was typed in two ways.

    The reply to another one is what was typed, or None if nobody is there to be asked.
    """

    text: str
    is_secret: bool = False


Step = Mapping[str, Any] | Question
"""A request to the server, or a question to the person."""


def converse(request: Mapping[str, Any]) -> Generator[Step, Any, Answered]:
    """Carry on with what each step is answered; the result is the server's last answer, or one in its form."""
    answer: Answered = yield request
    words = request.get("words")
    if words is None:
        return _advised(answer)
    if answer.get("error") == "password":
        password = yield Question(answer["message"], is_secret=True)
        if password is None:
            return _refusal("the passwords differ")
        ends_options = [] if "--" in words else ["--"]  # a password may begin with a dash
        answer = yield {"words": [*words, *ends_options, password]}
    if answer.get("error") == "unconfirmed":
        agreed = yield Question(f"{answer['message']} [y/N] ")
        if agreed is None:
            return _advised(answer)
        if agreed.strip().lower() not in ("y", "yes"):
            return _refusal("nothing is done")
        end = words.index("--") if "--" in words else len(words)
        answer = yield {"words": [*words[:end], "--yes", *words[end:]]}
    return answer


def exit_code(answer: Answered) -> Exit:
    """The exit code of a command that was answered so."""
    return Exit.DONE if answer["ok"] else _EXIT_OF_ERROR.get(answer["error"], Exit.FAILED)


def goes_on(answer: Answered) -> bool:
    """Whether the command is to be asked again for what comes next."""
    return bool(answer["ok"] and answer.get("follow") and answer.get("form") == "lines")


def without_json(words: list[str]) -> tuple[list[str], bool]:
    """A command without the option `--json` at its end or in front of it, and whether that was there."""
    if words[-1:] == ["--json"] and "--" not in words:
        return words[:-1], True
    return (words[1:], True) if words[:1] == ["--json"] else (words, False)


def _advised(answer: Answered) -> Answered:
    if answer.get("error") != "unconfirmed":
        return answer
    return {**answer, "message": f"{answer['message']} If so, say --yes"}


def _refusal(message: str) -> Answered:
    return {"ok": False, "error": "refused", "message": message}
