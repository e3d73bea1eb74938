"""Tells real changes by a backend from those made only by its JSON library.

Most backends answer with the body they received. Their JSON libraries do not keep every distinction, so the answer may
look different although nothing was changed:

    {} and []; {"0": x} and [x]      PHP and Lua have only one kind of container
    2**53 + 1 and 2**53              JavaScript and Go decode numbers as doubles
    0.12345678901234567 and 0.12345678901235       PHP before 7.1 and Lua write 14 digits
    10**400 and null                 JavaScript writes infinity as null
    "007" and 7                      PHP with JSON_NUMERIC_CHECK
    true and 1                       Perl, and values that went through a database
    "" and null                      Go's zero values, Laravel's ConvertEmptyStringsToNull
    null and an absent field         Gson, and other libraries configured to omit it
"""

import math
import re
from typing import Any

_NUMBER = re.compile(r"\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\s*", re.ASCII)


MAX_COMPARED = 2000
"""Values to compare one by one. A client chooses how many there are, and its backend how many differ."""


def restored(sent: Any, answered: Any) -> Any:
    """`answered`, with each part that means the same as what was sent restored to the form in which it was sent.

    If nothing has changed, this is `sent` itself, the same object. An empty container takes the kind of what was sent.
    Parts beyond `MAX_COMPARED` are taken as answered, unless the two values are exactly equal.
    """
    if isinstance(sent, dict | list) and sent == answered:
        return sent  # most answers are exact copies, and this is much cheaper than a walk
    return _Comparison().restored(sent, answered)


class _Comparison:
    """A walk over two values side by side."""

    def __init__(self) -> None:
        self._left = MAX_COMPARED

    def restored(self, sent: Any, answered: Any) -> Any:
        if type(sent) is type(answered) and not isinstance(sent, dict | list) and sent == answered:
            return sent
        if isinstance(sent, dict | list):
            return self._container(sent, answered)
        return sent if _means_the_same(sent, answered) else answered

    def _container(self, sent: dict[str, Any] | list[Any], answered: Any) -> Any:
        if not isinstance(answered, dict | list):
            return answered
        self._left -= 1 + max(len(sent), len(answered))
        if self._left < 0:
            return answered
        before = _items(sent)
        after = {key: self.restored(before.get(key), item) for key, item in _items(answered).items()}
        if after.keys() <= before.keys() and all(after.get(key) is item for key, item in before.items()):
            return sent
        kind = type(answered or sent)
        return after if kind is dict else list(after.values())


def _items(container: dict[str, Any] | list[Any]) -> dict[str, Any]:
    if isinstance(container, dict):
        return container
    return {str(index): item for index, item in enumerate(container)}


def _means_the_same(sent: object, answered: object) -> bool:
    match sent, answered:
        case ((None | ""), (None | "")):
            return True
        case (bool(), bool()) | (str(), str()):
            return sent == answered
        case str(), bool():
            return False
        case ((int() | float()), None):
            return math.isinf(_double(sent))
    return _is_same_number(_number(sent), _number(answered))


def _is_same_number(sent: float | None, answered: float | None) -> bool:
    return sent is not None and answered is not None and answered in (sent, float(f"{sent:.14g}"))


def _number(value: object) -> float | None:
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    return _double(value) if isinstance(value, int | float) else None


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
