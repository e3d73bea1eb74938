"""How much JSON a text contains, measured on the text itself before anything is parsed.

A mebibyte of `[[],[],[]...` becomes 20 MB of objects, and each element costs time again wherever the value goes. So a
text is measured first, at the speed of a memory search: its commas, colons and opening brackets outside of strings
correspond to its values and keys. A long string full of commas costs nothing, and counts as one.
"""

import json
from itertools import accumulate, count
from operator import sub
from typing import Any, Final

MAX_ELEMENTS: Final = 50_000
"""Values and keys of one text, by default. Parsing that many takes 5 to 20 ms, and they weigh at most 5 MB besides
their strings."""

MAX_DEPTH: Final = 64
"""How deep JSON may be nested. Far below Python's recursion limit, so that whatever was read can be written again."""

_COUNTED: Final = b",:[{"
_BRACKETS: Final = b"[]{}"
_OTHERS: Final = bytes(set(range(256)) - set(_BRACKETS))
_STEPS: Final = bytes.maketrans(_BRACKETS, bytes((2, 0, 2, 0)))  # one up, one down, each by one too many


def excess(text: str, *, max_elements: int = MAX_ELEMENTS) -> str | None:
    """Why `text` must not be parsed: it contains too much, or is nested too deeply. None if it may be.

    Exact for JSON, except that an empty array or object counts twice; of anything else, at least the part that a parser
    would read is measured.
    """
    data = text.encode("utf-8", "surrogatepass")
    if _how_many(data, _COUNTED) < max_elements and _how_many(data, b"[{") <= MAX_DEPTH:
        return None
    # What follows is exact, for texts whose strings may hold many commas or brackets.
    unescaped = data.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in data else data
    if _how_many(unescaped, b'"') > 2 * max_elements:  # each string is a key or a value
        return _too_many(max_elements)
    outside = b"".join(unescaped.split(b'"')[::2])
    # One value, one more behind each comma and each bracket (if that does not close at once), and a key at each colon.
    if _how_many(outside, _COUNTED) >= max_elements:
        return _too_many(max_elements)
    if _depth(outside) > MAX_DEPTH:
        return f"nested deeper than {MAX_DEPTH} levels"
    return None


def _too_many(max_elements: int) -> str:
    return f"more than {max_elements} values and keys"


def _how_many(data: bytes, counted: bytes) -> int:
    # One pass over memory, however many there are; `count` takes longer for each that it finds.
    return len(data) - len(data.translate(None, counted))


def _depth(outside: bytes) -> int:
    steps = outside.translate(_STEPS, _OTHERS)
    return max(map(sub, accumulate(steps), count(1)), default=0)


def json_is_larger(value: Any, limit: int) -> bool:
    """Whether `value`, as compact JSON in UTF-8, has more than `limit` bytes. ValueError if it is not JSON."""
    escaped = json.dumps(value, separators=(",", ":"), allow_nan=False)
    if len(escaped) <= limit:  # escapes only make it longer
        return False
    plain = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return len(plain.encode("utf-8", "surrogatepass")) > limit
