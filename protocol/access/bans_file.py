"""Bans as JSON: the file that keeps them over a restart."""

import json
from collections.abc import Iterable
from typing import Any

from attrs import asdict

from protocol.access.bans import Ban, BanAction


class BansFileError(ValueError):
    """The file holds something else than bans. The text says what, for the operator."""


def write_bans(bans: Iterable[Ban]) -> str:
    """The text of the file, one ban on each line."""
    return "".join(write_ban(ban) + "\n" for ban in bans)


def write_ban(ban: Ban) -> str:
    """One line."""
    return json.dumps(asdict(ban))


def read_bans(text: str) -> list[Ban]:
    """The bans in the text. Raises BansFileError."""
    return [_read_ban(line, number) for number, line in enumerate(text.split("\n"), 1) if line]


def _read_ban(line: str, number: int) -> Ban:
    try:
        given: Any = json.loads(line)
        return Ban(
            id=_checked(given["id"], str),
            app_key=_checked(given["app_key"], str),
            action=BanAction(given["action"]),
            name=_checked(given["name"], str, type(None)),
            who=_checked(given["who"], str, type(None)),
            created=_checked(given["created"], int, float),
            until=_checked(given["until"], int, float),
            reason=_checked(given["reason"], str, type(None)),
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        raise BansFileError(f"line {number} is not a ban") from None


def _checked(value: Any, *kinds: type) -> Any:
    if type(value) not in kinds:
        raise TypeError
    return value
