"""What a backend has really changed in a value that it was sent, and what only its JSON library has.

Most backends answer with the body that came. Their libraries do not keep all of JSON apart, so what comes back may look
different without anybody having changed it:

    {} and []; {"0": x} and [x]      PHP and Lua have one kind of container
    2**53 + 1 and 2**53              JavaScript and Go have doubles alone
    0.12345678901234567 and 0.12345678901235       PHP before 7.1 and Lua write 14 digits
    10**400 and null                 JavaScript writes an infinity so
    "007" and 7                      PHP with JSON_NUMERIC_CHECK
    true and 1                       Perl, and what has been in a database
    "" and null                      Go's zero values, Laravel's ConvertEmptyStringsToNull
    null and nothing                 Gson, and others that are told to leave it out
"""

import math
import re
from typing import Any

_NUMBER = re.compile(r"\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\s*", re.ASCII)


MAX_COMPARED = 2000
"""Values that are looked at one by one. A client chooses how many there are, and its backend how many differ."""


def restored(sent: Any, answered: Any) -> Any:
    """`answered`, with each part of it that means the same as what was sent in the form in which it was sent.

    If nothing has changed it is `sent` itself, the same object. An empty container takes the kind of what was sent.
    What lies beyond `MAX_COMPARED` parts is taken as it was answered, unless all is the same to the letter.
    """
    if isinstance(sent, dict | list) and sent == answered:
        return sent  # most mirrors are true ones, and this is much cheaper than to walk
    return _Comparison().restored(sent, answered)


class _Comparison:
    """One walk over two values side by side."""

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
