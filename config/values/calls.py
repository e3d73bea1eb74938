"""Kinds of values that only settings of calls have."""

import math
from collections.abc import Iterator, Mapping
from typing import Final

from attrs import field, frozen

_NAMES: Final[Mapping[str, str]] = {
    "opus": "OPUS",
    "g722": "G722",
    "alaw": "PCMA",
    "pcma": "PCMA",
    "ulaw": "PCMU",
    "pcmu": "PCMU",
}
_LONGEST: Final = 86_400


@frozen
class ExcludedCodecs:
    """Codecs that calls do not use, by WCS's names. Others are not used anyway, which is remarked."""

    allowed: str = field(default=f"some of {', '.join(_NAMES)}, separated by commas; or empty", init=False)

    def read(self, text: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_NAMES[word] for word in _words(text) if word in _NAMES))

    def remarks(self, text: str) -> Iterator[str]:
        for word in _words(text):
            if word not in _NAMES:
                yield f"{word!r} is ignored: calls do not use it"


@frozen
class ActivityTimeout:
    """`true,SECONDS`, or `false`, as WCS writes it; read as seconds, math.inf for false."""

    allowed: str = field(default=f"true and seconds from 1 to {_LONGEST}, as true,60; or false", init=False)

    def read(self, text: str) -> float:
        switch, comma, seconds = (part.strip() for part in text.lower().partition(","))
        if switch == "false":
            return math.inf
        if switch != "true":
            raise ValueError("begins with neither true nor false")
        if not (comma and seconds.isascii() and seconds.isdecimal() and len(seconds) < 6):
            raise ValueError("has no number of seconds after true")
        if not 1 <= int(seconds) <= _LONGEST:
            raise ValueError("is out of range")
        return float(seconds)


def _words(text: str) -> list[str]:
    return [word for word in map(str.strip, text.lower().split(",")) if word]
