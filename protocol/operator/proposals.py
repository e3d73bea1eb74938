"""What may come next in a command that is being written, for completion at the prompt.

The grammar proposes words; where a name belongs, it says of what kind, and the server looks them up.
"""

import re
from collections.abc import Iterable, Mapping
from enum import Enum, auto
from typing import Final

from attrs import frozen

from protocol.operator.grammar import CommandError, Option, Verb, split
from protocol.operator.syntax import VERBS, find_verb


class NameKind(Enum):
    """Whose names belong somewhere."""

    APP_NAME = auto()
    APP_KEY = auto()
    USER = auto()
    TOKEN = auto()
    SOURCE = auto()
    METHOD = auto()
    EVENT_TYPE = auto()
    STREAM = auto()
    ROOM = auto()
    SESSION = auto()
    MEDIA_SESSION = auto()


@frozen
class Proposals:
    """The words that fit, and the kind of the names that do. `before` stands before each name, as in `name=news`.

    `current`: what is written of the word so far; it is replaced.
    """

    current: str
    words: tuple[str, ...] = ()
    names: NameKind | None = None
    before: str = ""


_OPERANDS: Final[Mapping[str, NameKind]] = {
    "APP": NameKind.APP_NAME,
    "APP_KEY": NameKind.APP_KEY,
    "METHOD...": NameKind.METHOD,
    "TYPE|FIELD=VALUE...": NameKind.EVENT_TYPE,
}
_NAMED: Final[Mapping[str, NameKind]] = {
    "update app": NameKind.APP_NAME,
    "remove app": NameKind.APP_NAME,
    "test app": NameKind.APP_NAME,
    "update user": NameKind.USER,
    "passwd": NameKind.USER,
    "remove user": NameKind.USER,
    "remove token": NameKind.TOKEN,
    "update source": NameKind.SOURCE,
    "remove source": NameKind.SOURCE,
}
"""What the operand NAME is the name of. In the other commands it is a new one."""
_OPTION_VALUES: Final[Mapping[str, NameKind]] = {"APP_KEY,...": NameKind.APP_KEY, "OWNER": NameKind.USER}
_FIELDS: Final[Mapping[str, NameKind]] = {
    "appKey": NameKind.APP_KEY,
    "roomName": NameKind.ROOM,
    "sessionId": NameKind.SESSION,
    "mediaSessionId": NameKind.MEDIA_SESSION,
    "mediaSessionIds": NameKind.MEDIA_SESSION,
}
_LAST_WORD: Final = re.compile(r"\S*\Z")


def propose(line: str) -> Proposals:
    """What may come at the end of the line. Nothing inside quotes, or after words that are no command."""
    found = _LAST_WORD.search(line)
    current = found[0] if found else ""
    try:
        before = split(line[: len(line) - len(current)])
    except CommandError:
        return Proposals(current)
    if before[:1] == ("help",):
        return Proposals(current, _beginnings(before[1:]))
    beginnings = _beginnings(before)
    if beginnings:
        return Proposals(current, beginnings)
    try:
        verb, rest = find_verb(before)
    except CommandError:
        return Proposals(current)
    return _in_command(verb, rest, current)


def _beginnings(before: Iterable[str]) -> tuple[str, ...]:
    """The words that commands go on with that begin so."""
    written = tuple(before)
    names = [tuple(name.split()) for name in VERBS]
    found = (name[len(written)] for name in names if len(name) > len(written) and name[: len(written)] == written)
    return tuple(dict.fromkeys(found))


def _in_command(verb: Verb, rest: Iterable[str], current: str) -> Proposals:
    words = list(rest)
    wanting = _option(verb, words[-1]) if words else None
    if wanting is not None and wanting.value is not None:
        return Proposals(current, wanting.proposals, _OPTION_VALUES.get(wanting.value))
    name, equals, _ = current.partition("=")
    if equals and name in verb.conditions:
        return Proposals(current, names=_condition(verb, name), before=f"{name}=")
    flags = [flag for option in verb.options for flag in option.flags]
    fields = [f"{condition}=" for condition in verb.conditions]
    return Proposals(current, (*flags, *fields), _operand(verb, _count_operands(verb, words)))


def _option(verb: Verb, word: str) -> Option | None:
    return next((option for option in verb.options if word in option.flags), None)


def _count_operands(verb: Verb, words: Iterable[str]) -> int:
    count, is_value = 0, False
    for word in words:
        option = _option(verb, word)
        count += not is_value and not word.startswith("-")
        is_value = option is not None and option.value is not None
    return count


def _operand(verb: Verb, number: int) -> NameKind | None:
    """The kind of name that the operand of this number is."""
    names = [*verb.operands, *([verb.extra] if verb.extra else [])]
    if number >= len(names) and names and names[-1].endswith("..."):
        number = len(names) - 1
    if number >= len(names):
        return None
    return _NAMED.get(verb.name) if names[number] == "NAME" else _OPERANDS.get(names[number])


def _condition(verb: Verb, name: str) -> NameKind | None:
    if name != "name":
        return _FIELDS.get(name)
    return NameKind.ROOM if verb.name == "show rooms" else None if verb.name.endswith("bans") else NameKind.STREAM
