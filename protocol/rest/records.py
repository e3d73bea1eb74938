"""The REST resource `/recorder`, as in WCS: publications are recorded, and no longer recorded."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from attrs import frozen

from protocol.rest.errors import RestError, bad_request
from protocol.rest.fields import ANYTHING, TEXT, Field, FieldTable
from protocol.rest.json_body import decode_object
from protocol.rest.schemas import TEXT as TEXT_SCHEMA
from protocol.rest.schemas import array_of, described, object_of
from protocol.stream.record_names import unknown_elements

MEDIA_SESSION_ID: Final = Field("mediaSessionId", TEXT, "id of the publication")
CONFIG: Final = Field("config", ANYTHING, "an object: `fileTemplate` names the file in place of the setting")

STARTUP: Final = FieldTable(MEDIA_SESSION_ID, CONFIG, required=[MEDIA_SESSION_ID])
TERMINATE: Final = FieldTable(MEDIA_SESSION_ID, required=[MEDIA_SESSION_ID])
NO_FIELDS: Final = FieldTable()
NO_QUERY: Final = FieldTable(noun="query parameter")

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
}
"""Media types of files, by the ending of their names; there are no others."""
LONGEST_NAME: Final = 255


@frozen(kw_only=True)
class StartupRequest:
    """Which publication to record. `template`: of the file's name, None as the settings say."""

    media_session_id: str
    template: str | None


def parse_startup(body: bytes) -> StartupRequest:
    """A `recorder/startup`. RestError: 400 for anything not exactly understood, 501 for what WCS has and we do not."""
    given = STARTUP.read(decode_object(body))
    template = None if given[CONFIG] is None else _template(given[CONFIG])
    return StartupRequest(media_session_id=given[MEDIA_SESSION_ID] or "", template=template)


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


def _template(config: Any) -> str | None:
    if not isinstance(config, Mapping):
        raise bad_request("config must be an object", key="config")
    if "rotation" in config:
        raise RestError(HTTPStatus.NOT_IMPLEMENTED, "files are not rotated by this server", key="config.rotation")
    for key in config.keys() - {"fileTemplate"}:
        raise bad_request(f"config has an unknown field, {key[:64]!r}", key="config")
    template = config.get("fileTemplate")
    if template is None:
        return None
    if not isinstance(template, str) or not 0 < len(template) <= LONGEST_NAME:
        raise bad_request(f"config.fileTemplate must be a text of 1 to {LONGEST_NAME} characters", key="config")
    for name in unknown_elements(template):
        raise bad_request(f"config.fileTemplate has an unknown element, {{{name[:64]}}}", key="config")
    return template
