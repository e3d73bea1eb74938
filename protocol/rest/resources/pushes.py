"""The REST resource `/push`, as in WCS: publications are pushed to RTMP servers, and no longer pushed."""

from collections.abc import Mapping
from typing import Any, Final

from attrs import field, frozen

from protocol.rest.errors import RestError, bad_request
from protocol.rest.fields import ANYTHING, FLAG, TEXT, Field, FieldTable
from protocol.rest.json_body import decode_object
from protocol.rest.schemas import BOOLEAN, COUNT, array_of, described, object_of
from protocol.rest.schemas import TEXT as TEXT_SCHEMA

STREAM_NAME: Final = Field("streamName", TEXT, "name of the publication")
RTMP_URL: Final = Field("rtmpUrl", TEXT, "rtmp://HOST[:PORT]/APPLICATION, or rtmps://...: where to push it")
FULL_URL: Final = Field("rtmpTransponderFullUrl", FLAG, "whether rtmpUrl is whole; else the stream's name is added")
OPTIONS: Final[Field[Any]] = Field(
    "options", ANYTHING, 'an object: {"action": "mute"}, or {"action": "sound_on", "soundFile": ..., "loop": ...}'
)
PUSH_ID: Final = Field("mediaSessionId", TEXT, "id of the push")
SOUND_FILE: Final = Field("soundFile", TEXT, "a file of the folder of sounds")
LOOP: Final = Field("loop", FLAG, "whether the file begins again at its end")

STARTUP: Final = FieldTable(
    STREAM_NAME,
    RTMP_URL,
    FULL_URL,
    OPTIONS,
    required=[STREAM_NAME, RTMP_URL],
    rules="rtmpUrl begins with rtmp:// or rtmps://, has an application, and its host has an address. "
    "It may have a user and a password, for targets that ask for them.",
)
FIND: Final = FieldTable(STREAM_NAME, RTMP_URL)
ONE: Final = FieldTable(PUSH_ID, required=[PUSH_ID])
SOUND_ON: Final = FieldTable(PUSH_ID, SOUND_FILE, LOOP, required=[PUSH_ID, SOUND_FILE])
NO_FIELDS: Final = FieldTable()

PUSH: Final = object_of(
    "Push",
    mediaSessionId=TEXT_SCHEMA,
    streamName=described(TEXT_SCHEMA, "the stream's name at the target, where the URL is not whole"),
    rtmpUrl=described(TEXT_SCHEMA, "without what is secret in it"),
    width=COUNT,
    height=COUNT,
    muted=BOOLEAN,
    soundEnabled=described(BOOLEAN, "whether a file is heard in the place of the publication's sound"),
    options=described({"type": "object"}, "empty, as in WCS"),
    status=described({"enum": ["CONNECTING", "PUSHING", "RETRYING", "OVER"]}, "not in WCS"),
)
PUSHES: Final = array_of(PUSH)

_ACTIONS: Final[Mapping[str, FieldTable]] = {
    "mute": NO_FIELDS,
    "sound_on": FieldTable(SOUND_FILE, LOOP, required=[SOUND_FILE]),
}


@frozen(kw_only=True)
class PushSound:
    """A file of the folder of sounds, to be heard in the place of what is published."""

    file: str
    loops: bool = False


@frozen(kw_only=True)
class PushOrder:
    """What is pushed where. `is_full`: the URL is whole, else the stream's name there is added; None: a setting."""

    stream_name: str
    url: str = field(repr=False)
    is_full: bool | None = None
    is_muted: bool = False
    sound: PushSound | None = None


@frozen(kw_only=True)
class PushSearch:
    """Conditions; None: any. The name may have its prefix at the target, or not."""

    stream_name: str | None = None
    url: str | None = field(default=None, repr=False)


def parse_startup(body: bytes) -> PushOrder:
    """A `push/startup`. RestError (400) for anything not exactly understood."""
    given = STARTUP.read(decode_object(body))
    action, sound = _options(given[OPTIONS])
    return PushOrder(
        stream_name=given[STREAM_NAME] or "",
        url=given[RTMP_URL] or "",
        is_full=given[FULL_URL],
        is_muted=action == "mute",
        sound=sound,
    )


def parse_find(fields: Mapping[str, Any]) -> PushSearch:
    """A `push/find`. RestError (400) for anything not exactly understood."""
    given = FIND.read(fields)
    return PushSearch(stream_name=given[STREAM_NAME], url=given[RTMP_URL])


def parse_one(body: bytes) -> str:
    """The push of a `push/terminate` and the like. RestError (400) for anything not exactly understood."""
    return ONE.read(decode_object(body))[PUSH_ID] or ""


def parse_sound_on(body: bytes) -> tuple[str, PushSound]:
    """The push and the file of a `push/sound_on`. RestError (400) for anything not exactly understood."""
    given = SOUND_ON.read(decode_object(body))
    return given[PUSH_ID] or "", PushSound(file=given[SOUND_FILE] or "", loops=given[LOOP] is True)


def _options(options: Any) -> tuple[str | None, PushSound | None]:
    if options in (None, {}):
        return None, None
    if not isinstance(options, Mapping):
        raise bad_request("options must be an object", key=OPTIONS.name)
    action = options.get("action")
    if not isinstance(action, str) or action not in _ACTIONS:
        raise bad_request(f"options.action must be {' or '.join(_ACTIONS)}", key=OPTIONS.name)
    try:
        given = _ACTIONS[action].read({key: value for key, value in options.items() if key != "action"})
    except RestError as error:
        raise bad_request(f"options: {error.message}", key=OPTIONS.name) from None
    if action == "mute":
        return action, None
    return action, PushSound(file=given[SOUND_FILE] or "", loops=given[LOOP] is True)
