"""What the file of a recording is called: a template in the words of WCS, filled in and made safe for a file system."""

import re
from collections.abc import Iterable
from typing import Final

from attrs import frozen

from protocol.common.masking import masked

ELEMENTS: Final = (
    "streamName",
    "startTime",
    "endTime",
    "startTimeMillis",
    "endTimeMillis",
    "duration",
    "sessionId",
    "mediaSessionId",
    "login",
    "audioCodec",
    "videoCodec",
)
"""What a template may have in braces."""
LATE: Final = frozenset({"endTime", "endTimeMillis", "duration"})
"""Those that are known at the end only; until then they stay as they are."""
LONGEST: Final = 180
"""Bytes of a name without its ending; file systems take 255, and a number and endings may follow."""

WCS_PROGRAMS: Final = "/usr/local/FlashphonerWebCallServer/bin"
STOCK_HOOK_SCRIPT: Final = f"{WCS_PROGRAMS}/on_record_hook.sh"
"""The program that WCS runs for each file, as its settings file names it; here it exists only if somebody made it."""

_ELEMENT: Final = re.compile(r"\{(\w+)\}")
_UNSAFE: Final = re.compile(r"[^\w.\-{}]")


@frozen(kw_only=True)
class RecordFacts:
    """What is known of a recording when it begins. `start` in milliseconds since the epoch."""

    stream_name: str
    media_session_id: str
    session_id: str
    start: int
    audio_codec: str | None
    video_codec: str | None
    login: str = ""


def unknown_elements(template: str) -> Iterable[str]:
    """The names in braces that mean nothing."""
    return (name for name in _ELEMENT.findall(template) if name not in ELEMENTS)


def file_stem(template: str, facts: RecordFacts, end: int | None = None) -> str:
    """The name without its ending; `end` in milliseconds since the epoch, None: not yet known.

    Letters, digits, `_`, `-` and `.` stay, all else becomes `_`; it never begins with a dot, nor is it empty.
    """
    values = _values(facts, end)
    filled = _ELEMENT.sub(lambda found: values.get(found[1], found[0]), template)
    safe = _shortened(filled.lstrip(".-").rstrip("-"))
    return safe or _shortened(_safe(facts.media_session_id).lstrip(".-")) or "record"


def finished_stem(name: str, start: int, end: int) -> str:
    """The name of a recording that nobody finished, now that its end is known."""
    late = {"endTime": str(end), "endTimeMillis": str(end), "duration": str(max(0, end - start))}
    return _shortened(_ELEMENT.sub(lambda found: late.get(found[1], found[0]), name))


def _values(facts: RecordFacts, end: int | None) -> dict[str, str]:
    values = {
        "streamName": masked(facts.stream_name),
        "startTime": str(facts.start),
        "startTimeMillis": str(facts.start),
        "sessionId": facts.session_id,
        "mediaSessionId": facts.media_session_id,
        "login": facts.login,
        "audioCodec": facts.audio_codec or "",
        "videoCodec": facts.video_codec or "",
    }
    if end is not None:
        values |= {"endTime": str(end), "endTimeMillis": str(end), "duration": str(max(0, end - facts.start))}
    return {name: _safe(value).replace("{", "_").replace("}", "_") for name, value in values.items()}


def _safe(text: str) -> str:
    return _UNSAFE.sub("_", text)


def _shortened(text: str) -> str:
    return _safe(text).encode()[:LONGEST].decode(errors="ignore")
