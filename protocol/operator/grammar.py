"""How one command is written: its words, operands and options. Which commands there are is in `syntax`.

Standard library only, as `syntax`.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from protocol.common.errors import ProtocolError
from protocol.common.suggestions import did_you_mean, shortened


class CommandError(ProtocolError):
    """A command that cannot be understood; the message says what is wrong and how to write it."""


class Option(NamedTuple):
    """An option. `flags` are its spellings; `value` is the name of its value in the usage text, None for a switch.

    `choices`: values to propose, unless `value` itself lists them (`a|b`).
    """

    name: str
    flags: tuple[str, ...]
    value: str | None = None
    choices: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """`[-k|--key KEY]`"""
        return f"[{'|'.join(self.flags)}{f' {self.value}' if self.value else ''}]"

    @property
    def proposals(self) -> tuple[str, ...]:
        """Values that completion proposes."""
        return self.choices or (tuple(self.value.split("|")) if self.value and "|" in self.value else ())


class Words(NamedTuple):
    """A command's arguments: operands in order, options by name."""

    operands: tuple[str, ...]
    options: Mapping[str, str]


class Verb(NamedTuple):
    """One command. `extra` is an optional operand, which may be repeated if it ends in `...`.

    `conditions`: the fields that operands of the form FIELD=VALUE may name.
    """

    name: str
    summary: str
    operands: tuple[str, ...] = ()
    extra: str | None = None
    options: tuple[Option, ...] = ()
    conditions: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """How to write the command, on one line."""
        extra = [f"[{self.extra}]"] if self.extra else []
        return " ".join([self.name, *(option.usage for option in self.options), *self.operands, *extra])

    def read(self, words: Sequence[str]) -> Words:
        """Parse the words that follow the command's name; CommandError if they do not fit it."""
        operands, options = _sort(self, words)
        if not self._accepts(len(operands)):
            raise CommandError(f"takes {self._takes}")
        return Words(tuple(operands), options)

    def _accepts(self, count: int) -> bool:
        beyond = count - len(self.operands)
        if self.extra is None or beyond <= 0:
            return beyond == 0
        return beyond == 1 or self.extra.endswith("...")

    @property
    def _takes(self) -> str:
        count = len(self.operands)
        operands = f"{count or 'no'} operand{'' if count == 1 else 's'}"
        return f"{operands}, and perhaps {self.extra}" if self.extra else operands


def split(line: str) -> tuple[str, ...]:
    """A line as words, with quotes and backslashes as in a shell. A line that starts with `#` has none."""
    if line.lstrip().startswith("#"):
        return ()
    try:
        return tuple(shlex.split(line))
    except ValueError as error:
        raise CommandError(f"cannot read the line: {str(error).lower()}") from None


def _sort(verb: Verb, words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    operands: list[str] = []
    options: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        if word == "--":
            operands.extend(rest)
        elif word.startswith("-"):
            flag, glued, value = word.partition("=")
            option = _find_option(verb, flag)
            if option.name in options:
                raise CommandError(f"{flag} is given twice")
            options[option.name] = _option_value(option, flag, value if glued else None, rest)
        else:
            operands.append(word)
    return operands, options


def _find_option(verb: Verb, flag: str) -> Option:
    for option in verb.options:
        if flag in option.flags:
            return option
    known = [flag for option in verb.options for flag in option.flags]
    raise CommandError(f"unknown option {shortened(flag)}{did_you_mean(flag, known)}")


def _option_value(option: Option, flag: str, glued: str | None, rest: Iterator[str]) -> str:
    if option.value is None:
        if glued is not None:
            raise CommandError(f"{flag} takes no value")
        return flag
    value = glued if glued is not None else next(rest, None)
    if value is None:
        raise CommandError(f"{flag} needs {option.value}")
    return value
