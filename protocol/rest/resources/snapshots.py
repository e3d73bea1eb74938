"""The method `/stream/snapshot`, as in WCS; the parameters of the query string are ours."""

from collections.abc import Mapping
from typing import Final

from protocol.rest.errors import bad_request
from protocol.rest.fields import COUNT, TEXT, Field, FieldTable, one_of
from protocol.rest.json_body import decode_object
from protocol.rest.schemas import TEXT as TEXT_SCHEMA
from protocol.rest.schemas import described, object_of
from protocol.rest.scope import SCOPE
from protocol.stream.pictures import MAX_WIDTH, MIN_WIDTH, PictureFormat, PictureSpec

STREAM_NAME: Final = Field("streamName", TEXT, "name of the publication")
FORMAT: Final = Field("format", one_of(*PictureFormat), "how the picture is written; png by default")
WIDTH: Final = Field(
    "width", COUNT, f"pixels, {MIN_WIDTH} to {MAX_WIDTH}; by default that of the stream, which is never exceeded"
)
SNAPSHOT: Final = FieldTable(STREAM_NAME, required=[STREAM_NAME])
SNAPSHOT_QUERY: Final = FieldTable(FORMAT, WIDTH, SCOPE, noun="query parameter")

PICTURE: Final = object_of("Picture", data=described(TEXT_SCHEMA, "the picture, in base64"))


def parse_snapshot(body: bytes) -> str:
    """The name of a `stream/snapshot`. RestError (400) for anything not exactly understood."""
    return SNAPSHOT.read(decode_object(body))[STREAM_NAME] or ""


def parse_spec(parameters: Mapping[str, str]) -> PictureSpec:
    """What picture is wanted. RestError (400) for anything not exactly understood."""
    given = SNAPSHOT_QUERY.read(parameters)
    width = given[WIDTH]
    if width is not None and not MIN_WIDTH <= width <= MAX_WIDTH:
        raise bad_request(f"width must be a number of pixels from {MIN_WIDTH} to {MAX_WIDTH}", key="width")
    return PictureSpec(format=PictureFormat(given[FORMAT] or PictureFormat.PNG), width=width or 0)


def picture_body(data: bytes) -> bytes:
    """The answer; base64 needs no escaping."""
    return b'{"data":"' + data + b'"}'
