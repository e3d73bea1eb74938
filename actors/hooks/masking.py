"""Hook bodies as a log may show them: without data that is private to client and backend."""

import json
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

_SECRET_WORDS = ("pass", "token", "secret", "auth", "credential", "key")
_NO_SECRETS = frozenset({"appKey"})
_WHOLLY_SECRET = frozenset({"custom", "payload", "logs", "report", "dtmf"})


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
    """A body that is masked only when it is logged, since the debug level is usually off."""

    body: Mapping[str, Any] = field(repr=False)

    def __str__(self) -> str:
        try:
            return json.dumps(masked(self.body))
        except (ValueError, TypeError, RecursionError) as error:
            return f"<{type(error).__name__}>"
