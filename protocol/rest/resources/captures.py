"""The REST resources `/rtsp` and `/pull/rtmp`, as in WCS: sources are captured, and no longer captured."""

from collections.abc import Mapping
from typing import Any, Final

from attrs import field, frozen

from protocol.capture.uri import BadCaptureUri, CaptureScheme, CaptureUri, read_capture_uri
from protocol.rest.errors import bad_request
from protocol.rest.fields import ANYTHING, TEXT, Field, FieldTable
from protocol.rest.json_body import decode_object
from protocol.rest.schemas import BOOLEAN, array_of, described, object_of
from protocol.rest.schemas import TEXT as TEXT_SCHEMA

URI: Final = Field("uri", TEXT, "the source: `rtsp://user:password@host:554/path`")
TO_STREAM: Final = Field("toStream", TEXT, "the name of the stream; the URI itself, if it is absent")
LOCAL_NAME: Final = Field("localStreamName", TEXT, "the name of the stream; the URI itself, if it is absent")
RECORD: Final = Field("record", ANYTHING, "only false: `/recorder/startup` records it")
STATUS: Final = Field("status", TEXT, "PLAYING, or PENDING while the source is connected to")

RTSP_STARTUP: Final = FieldTable(URI, TO_STREAM, required=[URI])
RTSP_FIND: Final = FieldTable(URI, STATUS)
RTSP_TERMINATE: Final = FieldTable(URI, STATUS, required=[URI])
PULL: Final = FieldTable(URI, LOCAL_NAME, RECORD, required=[URI])
PULL_TERMINATE: Final = FieldTable(URI, required=[URI])
NO_FIELDS: Final = FieldTable()

RTSP_AGENTS: Final = array_of(
    object_of(
        "RtspAgent",
        uri=TEXT_SCHEMA,
        status=described(TEXT_SCHEMA, "PLAYING, or PENDING while the source is connected to"),
        toStream=described(TEXT_SCHEMA, "the name of the stream"),
    )
)
PULLED: Final = array_of(
    object_of(
        "RtmpPull",
        localMediaSessionId=TEXT_SCHEMA,
        localStreamName=TEXT_SCHEMA,
        uri=TEXT_SCHEMA,
        status=described(TEXT_SCHEMA, "PROCESSED_REMOTE, or PENDING while the source is connected to"),
        hasAudio=BOOLEAN,
        hasVideo=BOOLEAN,
        record=BOOLEAN,
    )
)
LONGEST_NAME: Final = 2048


@frozen(kw_only=True)
class CaptureRequest:
    """What to capture, and under which name. `name_key`: the field that says the name, be it given or not."""

    uri: CaptureUri
    name: str = field(repr=False)
    name_key: str


def parse_startup(body: bytes, table: FieldTable, schemes: frozenset[CaptureScheme]) -> CaptureRequest:
    """A `rtsp/startup` or `pull/rtmp/pull`. RestError (400) for anything not exactly understood."""
    given = table.read(decode_object(body))
    uri = _uri(given[URI] or "", schemes)
    if table is PULL and given[RECORD] not in (None, False, "false"):
        raise bad_request("record must be false: /recorder/startup records a stream", key="record")
    name_field = LOCAL_NAME if table is PULL else TO_STREAM
    name = given[name_field] or uri.text
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise bad_request(
            f"{name_field.name} must have printable characters, at most {LONGEST_NAME}", key=name_field.name
        )
    return CaptureRequest(uri=uri, name=name, name_key=name_field.name)


def parse_find(fields: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """URI and status of a `rtsp/find`; None: any."""
    given = RTSP_FIND.read(fields)
    return given[URI], given[STATUS]


def parse_terminate(body: bytes, table: FieldTable) -> str:
    """The URI of a terminate. RestError (400) for anything not exactly understood."""
    uri = table.read(decode_object(body))[URI]
    if not uri:
        raise bad_request("uri is empty", key="uri")
    return uri


def _uri(text: str, schemes: frozenset[CaptureScheme]) -> CaptureUri:
    try:
        uri = read_capture_uri(text)
    except BadCaptureUri as error:
        raise bad_request(f"uri {error}", key="uri") from None
    if uri.scheme not in schemes:
        raise bad_request(f"uri must begin with {' or '.join(sorted(f'{each}://' for each in schemes))}", key="uri")
    return uri
