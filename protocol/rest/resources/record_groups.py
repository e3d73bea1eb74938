"""The REST resource `/multipleRecorder`, as in WCS: several publications are recorded together."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from protocol.rest.errors import bad_request
from protocol.rest.fields import TEXT, Field, FieldTable
from protocol.rest.json_body import decode_object
from protocol.rest.schemas import TEXT as TEXT_SCHEMA
from protocol.rest.schemas import array_of, described, object_of

URI: Final = Field("uri", TEXT, "names the group, such as `multi-recorder://news`")
MEMBER: Final = Field("mediaSessionId", TEXT, "id of the publication")
LONGEST_URI: Final = 255

GROUP: Final = FieldTable(URI, required=[URI])
GROUP_MEMBER: Final = FieldTable(URI, MEMBER, required=[URI, MEMBER])
NO_FIELDS: Final = FieldTable()

GROUPS: Final = array_of(
    object_of(
        "RecordingGroup",
        uri=TEXT_SCHEMA,
        mediaSessionsId=described({"type": "array", "items": TEXT_SCHEMA}, "the publications that are being recorded"),
        fileName=described(TEXT_SCHEMA, "the JSON file that will list the recordings"),
    )
)


def parse_group(body: bytes) -> str:
    """The group of a request. RestError (400) for anything not exactly understood."""
    return _checked(GROUP.read(decode_object(body))[URI])


def parse_member(body: bytes) -> tuple[str, str]:
    """The group and the publication of a request. RestError (400) for anything not exactly understood."""
    given = GROUP_MEMBER.read(decode_object(body))
    return _checked(given[URI]), given[MEMBER] or ""


def parse_find_all(fields: Mapping[str, Any]) -> None:
    """RestError (400) for any field."""
    NO_FIELDS.read(fields)


def group_object(uri: str, media_session_ids: Sequence[str], file_name: str) -> dict[str, Any]:
    """One entry of `multipleRecorder/find_all`."""
    return {"mediaSessionsId": list(media_session_ids), "uri": uri, "fileName": file_name}


def _checked(uri: str | None) -> str:
    if not uri or len(uri) > LONGEST_URI or not uri.isprintable():
        raise bad_request(f"uri must be 1 to {LONGEST_URI} printable characters", key="uri")
    return uri
