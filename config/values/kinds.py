"""Numbers, times, choices, texts: kinds of values that many settings have."""

import math
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Generic, Literal, Protocol, TypeVar, runtime_checkable

from attrs import field, frozen

from protocol.common.suggestions import did_you_mean

T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E", bound=StrEnum)

_INTEGER = re.compile(r"[+-]?[0-9]+")
_MOST_DIGITS = 100
_HEADER = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([\x20-\x7e\t]*)")


class Kind(Protocol[T_co]):
    """How one type of value is written."""

    @property
    def allowed(self) -> str:
        """What may be written, unit and range included; the text after "allowed: "."""

    def read(self, text: str) -> T_co:
        """The value of trimmed text. Raises ValueError; its message completes "<text> ..."."""


@runtime_checkable
class Remarking(Protocol):
    """A kind that accepts values of WCS it cannot honour, and says so."""

    def remarks(self, text: str) -> Iterator[str]:
        """What to tell the operator about a text that `read` accepts."""


@frozen
class Integer:
    """A whole number with an optional unit."""

    low: int
    high: int
    unit: str = ""

    @property
    def allowed(self) -> str:
        return f"a whole number{f' of {self.unit}' if self.unit else ''} from {self.low} to {self.high}"

    def read(self, text: str) -> int:
        if not _INTEGER.fullmatch(text):
            raise ValueError("is not a whole number")
        if len(text) > _MOST_DIGITS:
            raise ValueError("is out of range")
        number = int(text)
        if not self.low <= number <= self.high:
            raise ValueError("is out of range")
        return number


@frozen
class OptionalInteger:
    """A whole number, or nothing (None)."""

    number: Integer

    @property
    def allowed(self) -> str:
        return f"{self.number.allowed}, or nothing"

    def read(self, text: str) -> int | None:
        return self.number.read(text) if text else None


@frozen
class Duration:
    """A time written as a whole number of `unit`, read as seconds. With `zero_is_forever`, 0 is math.inf."""

    unit: Literal["ms", "s"]
    low: int
    high: int
    zero_is_forever: bool = False

    @property
    def allowed(self) -> str:
        unit = "milliseconds" if self.unit == "ms" else "seconds"
        return Integer(self.low, self.high, unit).allowed + (", or 0 for no limit" if self.zero_is_forever else "")

    def read(self, text: str) -> float:
        if self.zero_is_forever and text == "0":
            return math.inf
        number = Integer(self.low, self.high).read(text)
        return number / 1000 if self.unit == "ms" else float(number)


@frozen
class Boolean:
    """true or false."""

    allowed: str = field(default="true or false", init=False)

    def read(self, text: str) -> bool:
        known = {"true": True, "false": False}
        if text.lower() not in known:
            raise ValueError("is neither true nor false")
        return known[text.lower()]


@frozen
class Choice(Generic[E]):
    """One member of a closed set, by its value, in any case."""

    members: type[E]

    @property
    def allowed(self) -> str:
        return "one of " + ", ".join(self.members)

    def read(self, text: str) -> E:
        for member in self.members:
            if member.lower() == text.lower():
                return member
        raise ValueError("is not known")


@frozen
class StringList:
    """A comma-separated list. Items are trimmed, empty ones ignored."""

    what: str
    form: re.Pattern[str] = re.compile(r"\S+")
    needed: bool = False

    @property
    def allowed(self) -> str:
        return f"{self.what}, separated by commas{'' if self.needed else '; or empty'}"

    def read(self, text: str) -> tuple[str, ...]:
        words = items_of(text)
        for word in words:
            if not self.form.fullmatch(word):
                raise ValueError(f"has an invalid item, {word!r}")
        if self.needed and not words:
            raise ValueError("is empty")
        return tuple(dict.fromkeys(words))


@frozen
class OrderedChoices:
    """An ordered list of members of a closed set, without repeats: name as written -> name as used in the code.

    Other names are ignored with a remark, as long as one remains; `foreign` gives the reason for those we know.
    """

    names: Mapping[str, str]
    foreign: Mapping[str, str] = field(factory=dict)

    @property
    def allowed(self) -> str:
        return f"at least one of {', '.join(self.names)}, separated by commas, the preferred one first"

    def read(self, text: str) -> tuple[str, ...]:
        words = [word for word in map(str.lower, items_of(text)) if word in self.names]
        if not words or len(set(words)) < len(words):
            raise ValueError("names one twice" if words else "names none")
        return tuple(self.names[word] for word in words)

    def remarks(self, text: str) -> Iterator[str]:
        for word in map(str.lower, items_of(text)):
            if word not in self.names:
                known = self.foreign.get(word)
                why = f": {known}" if known else " as unknown" + did_you_mean(word, self.names)
                yield f"{word!r} is ignored{why}"


@frozen
class HeaderLines:
    """HTTP headers as WCS writes them: `Name: value;Name: value`."""

    allowed: str = field(default="`Name: value` headers, separated by semicolons; or empty", init=False)

    def read(self, text: str) -> tuple[tuple[str, str], ...]:
        headers = []
        for line in filter(None, map(str.strip, text.split(";"))):
            found = _HEADER.fullmatch(line)
            if not found:
                raise ValueError(f"has a part that is not a header, {line!r}")
            headers.append((found.group(1), found.group(2)))
        return tuple(headers)


@frozen
class File:
    """An absolute path, or nothing (None). `folder`: in which relative ones are, if they are allowed."""

    folder: str = ""
    allowed: str = field(default="an absolute path; or empty", init=False)

    def read(self, text: str) -> Path | None:
        if text and not text.startswith("/"):
            if not self.folder:
                raise ValueError("is not an absolute path")
            text = f"{self.folder}/{text}"
        if "\0" in text:
            raise ValueError("holds a NUL character")
        return Path(text) if text else None


@frozen
class Text:
    """Any text, or nothing (None)."""

    allowed: str = field(default="any text; or empty", init=False)

    def read(self, text: str) -> str | None:
        return text or None


def items_of(text: str) -> list[str]:
    """The items of a comma-separated list, trimmed, without empty ones."""
    return [item for item in map(str.strip, text.split(",")) if item]
