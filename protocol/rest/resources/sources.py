"""The REST resource `/source`: sources that have names. No answer shows a URI whole."""

from typing import Final

from protocol.rest.fields import TEXT, Field, FieldTable
from protocol.rest.paging import LIMIT, OFFSET
from protocol.rest.schemas import BOOLEAN, described, object_of
from protocol.rest.schemas import TEXT as TEXT_SCHEMA

NAME: Final = Field("name", TEXT, "the name that pages play")
URI: Final = Field("uri", TEXT, "where its media comes from: rtsp, rtsps, rtmp, rtmps, m3u8 over http or https, vod")

FIND: Final = FieldTable(NAME, OFFSET, LIMIT)
ADD: Final = FieldTable(
    NAME, URI, required=(NAME, URI), rules="a URI of one of the schemes; see the error of the field"
)
UPDATE: Final = FieldTable(
    NAME, URI, required=(NAME, URI), rules="a URI of one of the schemes; see the error of the field"
)
REMOVE: Final = FieldTable(NAME, required=(NAME,))

SOURCE: Final = object_of(
    "NamedSource",
    name=TEXT_SCHEMA,
    uri=described(TEXT_SCHEMA, "without user, password and the values in it, which may be secrets"),
)
CHANGED: Final = object_of(
    "NamedSourceChange",
    changed=described(BOOLEAN, "false: it was like that already"),
    message=described(TEXT_SCHEMA, "what was done, in words"),
)
