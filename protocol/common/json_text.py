"""JSON as text: compact, in ASCII, and fast for the thousands of small texts that a busy server writes.

`json.JSONEncoder.encode` makes the encoder anew for each text, which takes longer than to write it. Here it is made
once, if this Python has the one in C; else everything is as before.
"""

import json.encoder
from collections.abc import Callable
from typing import Any, Final

_IN_C: Final[Callable[..., Any] | None] = getattr(json.encoder, "c_make_encoder", None)


def compact_encoder(*, allow_nan: bool) -> Callable[[object], str]:
    """What writes a value as JSON.

    It raises TypeError for what JSON does not have, RecursionError for what holds itself, and, without `allow_nan`,
    ValueError for NaN and infinities, which are not JSON.
    """
    plain = json.JSONEncoder(separators=(",", ":"), check_circular=False, allow_nan=allow_nan)
    if _IN_C is None:
        return plain.encode
    pieces = _IN_C(
        None,  # what notes the objects under way
        plain.default,
        json.encoder.encode_basestring_ascii,
        plain.indent,
        plain.key_separator,
        plain.item_separator,
        plain.sort_keys,
        plain.skipkeys,
        plain.allow_nan,
    )
    return lambda value: "".join(pieces(value, 0))


to_json: Final = compact_encoder(allow_nan=True)
"""Writes a value, NaN and infinities too, as Python's `json` does."""
