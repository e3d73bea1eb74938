"""Bodies of hooks as a log may show them: without what clients and backends mean for each other alone."""

import json
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

_SECRET_WORDS = ("pass", "token", "secret", "auth", "credential", "key")
_NO_SECRETS = frozenset({"appKey"})
_WHOLLY_SECRET = frozenset({"custom", "payload", "logs", "report"})


def masked(value: Any) -> Any:
    """A body as a log may show it."""
    if isinstance(value, Mapping):
        return {key: _masked_field(key, item) for key, item in value.items()}
    return [masked(item) for item in value] if isinstance(value, list) else value


def _masked_field(key: str, value: Any) -> Any:
    if key == "sdp":
        return f"<{len(value)} characters>" if isinstance(value, str) else "***"
    word = key.lower()
    if key in _WHOLLY_SECRET or (key not in _NO_SECRETS and any(secret in word for secret in _SECRET_WORDS)):
        return value if isinstance(value, bool) else "***"
    return masked(value)


@frozen
class MaskedBody:
    """A body that is masked only if somebody writes it: most of the time the debug level is off."""

    body: Mapping[str, Any] = field(repr=False)

    def __str__(self) -> str:
        try:
            return json.dumps(masked(self.body))
        except (ValueError, TypeError, RecursionError) as error:
            return f"<{type(error).__name__}>"
