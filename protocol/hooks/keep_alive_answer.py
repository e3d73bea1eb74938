"""What a backend may say in its 200 to a keep-alive, beyond WCS.

{"expiresInMs": 90000}    the stream ends in 90 s, unless a later answer says otherwise
{"nextInMs": 60000}       ask again in 60 s, once, whatever the interval is
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

EXPIRES: Final = "expiresInMs"
NEXT: Final = "nextInMs"
_MARK: Final = b"InMs"

SHORTEST_NEXT: Final = 0.1
"""Seconds: as for the interval in the settings."""
LONGEST: Final = 30 * 86_400.0
"""Seconds; more means this."""


@frozen(kw_only=True)
class KeepAliveTerms:
    """For how long the stream may go on, and when to ask again: in seconds from the answer. None: it does not say."""

    expires_in: float | None = None
    next_in: float | None = None


NO_TERMS: Final = KeepAliveTerms()


def may_have_terms(content: bytes) -> bool:
    """Whether an answer is worth parsing."""
    return _MARK in content


def read_terms(body: Mapping[str, Any] | None) -> tuple[KeepAliveTerms, tuple[str, ...]]:
    """The terms in the body of an answer, and warnings about those that cannot be used."""
    warnings: list[str] = []
    expires, following = (_seconds(body or {}, name, warnings) for name in (EXPIRES, NEXT))
    if following is not None:
        following = max(following, SHORTEST_NEXT)
    return KeepAliveTerms(expires_in=expires, next_in=following), tuple(warnings)


def _seconds(body: Mapping[str, Any], name: str, warnings: list[str]) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        warnings.append(f"{name} is ignored: it must be a number of milliseconds")
        return None
    return min(max(value, 0), LONGEST * 1000) / 1000
