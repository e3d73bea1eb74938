"""The JSON Schemas of what the REST API answers. A schema with a `title` is a component of the OpenAPI document.

Objects may get more properties with any version, so programs must ignore those that they do not know.
"""

from typing import Any, Final

from protocol.rest.fields import Schema

BOOLEAN: Final[Schema] = {"type": "boolean"}
TEXT: Final[Schema] = {"type": "string"}
OPTIONAL_TEXT: Final[Schema] = {"type": ["string", "null"]}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
TIME_MS: Final[Schema] = {"type": "integer", "description": "milliseconds since the epoch"}
KBIT: Final[Schema] = {"type": "integer", "description": "kbit/s; 0: not given"}


def described(schema: Schema, meaning: str) -> Schema:
    """The same schema with a description."""
    return {**schema, "description": meaning}


def object_of(title: str | None = None, /, *, optional: Schema | None = None, **properties: Schema) -> dict[str, Any]:
    """An object with these properties, which are all there, and `optional` ones."""
    named = {"title": title} if title else {}
    every = {**properties, **(optional or {})}
    return {**named, "type": "object", "required": sorted(properties), "properties": every}


def array_of(item: Schema) -> Schema:
    """An array of such items."""
    return {"type": "array", "items": item}


PROBLEM: Final = object_of(
    "Problem",
    exception=described(TEXT, "the status as one word, such as `BadRequest`"),
    reason=described(TEXT, "what is wrong, in words"),
    path=described(TEXT, "the path of the request"),
    type=described(TEXT, "always `about:blank` (RFC 9457)"),
    title=described(TEXT, "the standard phrase of the status"),
    status=described({"type": "integer"}, "the HTTP status"),
    detail=described(TEXT, "the same as `reason`"),
    optional={
        "key": described(TEXT, "the JSON key or query parameter at fault"),
        "setting": described(TEXT, "the setting of the server that decides"),
    },
)

METRICS: Final[Schema] = {
    "title": "StreamMetrics",
    "type": "object",
    "description": "WCS's names. Of a stream with audio and video, the sum of both is under the names of video.",
    "additionalProperties": {"type": ["integer", "string"]},
    "properties": {
        "VIDEO_RATE": described(COUNT, "bit/s"),
        "VIDEO_LOST": described(COUNT, "packets"),
        "VIDEO_NACK": COUNT,
        "VIDEO_PLI": COUNT,
        "VIDEO_WIDTH": COUNT,
        "VIDEO_HEIGHT": COUNT,
        "VIDEO_CODEC": TEXT,
        "AUDIO_RATE": described(COUNT, "bit/s"),
        "AUDIO_LOST": described(COUNT, "packets"),
        "AUDIO_CODEC": TEXT,
    },
}

STREAM: Final = object_of(
    "Stream",
    nodeId=TEXT,
    appKey=TEXT,
    sessionId=TEXT,
    mediaSessionId=TEXT,
    name=TEXT,
    published=described(BOOLEAN, "true: a publication, false: a playback"),
    hasVideo=BOOLEAN,
    hasAudio=BOOLEAN,
    status=described(TEXT, "such as PUBLISHING"),
    sdp=described(TEXT, "the offer of the client"),
    record=BOOLEAN,
    width=COUNT,
    height=COUNT,
    bitrate=KBIT,
    minBitrate=KBIT,
    maxBitrate=KBIT,
    quality=COUNT,
    mediaProvider=TEXT,
    info=OPTIONAL_TEXT,
    audioCodec=OPTIONAL_TEXT,
    videoCodec=OPTIONAL_TEXT,
    transport=TEXT,
    createDate=TIME_MS,
    mediaType={"enum": ["publish", "play"]},
    viewers=described(COUNT, "playbacks of a publication"),
    roomName=described(OPTIONAL_TEXT, "the room in which it is published or played"),
    optional={
        "metrics": METRICS,
        "cascade": described(COUNT, "in a dry run: the playbacks that would end with it"),
    },
)

CONNECTION: Final = object_of(
    "Connection",
    nodeId=TEXT,
    appKey=TEXT,
    sessionId=TEXT,
    status=described(TEXT, "such as ESTABLISHED"),
    clientVersion=OPTIONAL_TEXT,
    clientOSVersion=OPTIONAL_TEXT,
    clientBrowserVersion=OPTIONAL_TEXT,
    mediaProviders=array_of(TEXT),
    origin=OPTIONAL_TEXT,
    createDate=TIME_MS,
    streams=described(COUNT, "how many streams it has"),
    rooms=described(array_of(TEXT), "the rooms it is in"),
)

HEALTH: Final = object_of(alive=BOOLEAN)
READINESS: Final = object_of(ready=BOOLEAN, missing=array_of(TEXT), optional={"degraded": array_of(TEXT)})

STATISTICS: Final[Schema] = {
    "title": "Statistics",
    "type": "object",
    "description": "Groups of counters.",
    "additionalProperties": {"type": "object"},
}
