"""How names that are URIs are shown: without user, password and the values in them, which may be secrets too.

Hooks and REST carry names as they were given, since filters and backends compare them; logs, events, the console,
metrics and the audit trail show this form.
"""

import re
from typing import Final

from protocol.capture.uri import is_capture_name

_HIDDEN: Final = "***"
_URI = re.compile(r"(?:rtsps?|rtmps?|https?|vod|vod-live)://[^\s\"'<>]*", re.ASCII | re.IGNORECASE)
_USER_INFO = re.compile(r"^.*@", re.DOTALL)
"""Up to the last @: a password with a / in it, which is not valid, must not be shown either."""
_VALUE = re.compile(r"=[^&;/?#]+")


def masked(text: str) -> str:
    """The text with every URI in it masked: `rtsp://***@camera.example/live?channel=***`. Any other text as it is."""
    if "://" not in text:
        return text
    if is_capture_name(text):
        return _mask(text)  # whole, whatever is in it
    return _URI.sub(lambda found: _mask(found[0]), text)


def _mask(uri: str) -> str:
    scheme, slashes, rest = uri.partition("://")
    shown = scheme + slashes + _USER_INFO.sub(f"{_HIDDEN}@", rest)
    if scheme.lower().startswith("http") and not (is_capture_name(uri) or is_capture_name(shown)):
        return shown
    return _VALUE.sub(f"={_HIDDEN}", shown)
