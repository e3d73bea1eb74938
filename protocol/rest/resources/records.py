"""The REST resource `/recorder`, as in WCS: publications are recorded, and no longer recorded."""

from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from protocol.rest.errors import bad_request
from protocol.rest.fields import ANYTHING, TEXT, Field, FieldTable
from protocol.rest.json_body import decode_object
from protocol.rest.schemas import TEXT as TEXT_SCHEMA
from protocol.rest.schemas import array_of, described, object_of
from protocol.stream.record_names import unknown_elements
from protocol.stream.rotation import ALLOWED, Rotation, read_rotation

MEDIA_SESSION_ID: Final = Field("mediaSessionId", TEXT, "id of the publication")
CONFIG: Final = Field("config", ANYTHING, "an object: `fileTemplate` and `rotation` in place of the settings")

STARTUP: Final = FieldTable(MEDIA_SESSION_ID, CONFIG, required=[MEDIA_SESSION_ID])
TERMINATE: Final = FieldTable(MEDIA_SESSION_ID, required=[MEDIA_SESSION_ID])
NO_FIELDS: Final = FieldTable()

RECORDING: Final = object_of(
    "Recording",
    mediaSessionId=TEXT_SCHEMA,
    fileName=described(TEXT_SCHEMA, "its name so far; what is known at the end only stands in braces"),
)
RECORDINGS: Final = array_of(RECORDING)

TYPES: Final[Mapping[str, str]] = {
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".mp4": "video/mp4",
    ".json": "application/json",
}
"""Media types of files, by the ending of their names; there are no others."""
LONGEST_NAME: Final = 255
LONGEST_ROTATION: Final = 16


@frozen(kw_only=True)
class StartupRequest:
    """Which publication to record. `template` of the files' names, `rotation`: None as the settings say."""

    media_session_id: str
    template: str | None
    rotation: Rotation | None = None


def parse_startup(body: bytes) -> StartupRequest:
    """A `recorder/startup`. RestError (400) for anything not exactly understood."""
    given = STARTUP.read(decode_object(body))
    config = _config(given[CONFIG])
    return StartupRequest(
        media_session_id=given[MEDIA_SESSION_ID] or "",
        template=_template(config.get("fileTemplate")),
        rotation=_rotation(config.get("rotation")),
    )


def parse_terminate(body: bytes) -> str:
    """The publication of a `recorder/terminate`. RestError (400) for anything not exactly understood."""
    return TERMINATE.read(decode_object(body))[MEDIA_SESSION_ID] or ""


def parse_find_all(fields: Mapping[str, Any]) -> None:
    """RestError (400) for any field."""
    NO_FIELDS.read(fields)


def recording_object(media_session_id: str, file_name: str) -> dict[str, str]:
    """One entry of `recorder/find_all`."""
    return {"fileName": file_name, "mediaSessionId": media_session_id}


def media_type(name: str) -> str | None:
    """The type of a finished file of this name; None: no file can have that name."""
    if "/" in name or "\0" in name or name.startswith(".") or len(name.encode(errors="replace")) > LONGEST_NAME:
        return None
    stem, dot, ending = name.rpartition(".")
    return TYPES.get(dot + ending) if stem else None


def _config(config: Any) -> Mapping[str, Any]:
    if config is None:
        return {}
    if not isinstance(config, Mapping):
        raise bad_request("config must be an object", key="config")
    for key in config.keys() - {"fileTemplate", "rotation"}:
        raise bad_request(f"config has an unknown field, {key[:64]!r}", key="config")
    return config


def _rotation(rotation: Any) -> Rotation | None:
    if rotation is None:
        return None
    text = str(rotation) if isinstance(rotation, int) and not isinstance(rotation, bool) else rotation
    if not isinstance(text, str) or len(text) > LONGEST_ROTATION:
        raise bad_request(f"config.rotation must be {ALLOWED}", key="config")
    try:
        return read_rotation(text)
    except ValueError as error:
        raise bad_request(f"config.rotation {error}; it must be {ALLOWED}", key="config") from None


def _template(template: Any) -> str | None:
    if template is None:
        return None
    if not isinstance(template, str) or not 0 < len(template) <= LONGEST_NAME:
        raise bad_request(f"config.fileTemplate must be a text of 1 to {LONGEST_NAME} characters", key="config")
    for name in unknown_elements(template):
        raise bad_request(f"config.fileTemplate has an unknown element, {{{name[:64]}}}", key="config")
    return template
