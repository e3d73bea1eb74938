"""The REST resource `/room`, which WCS does not have: rooms found, spoken to, cleared.

Rooms of different applications may have the same name: `appKey` tells them apart, without it all of them are meant.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from attrs import frozen

from protocol.access.kicks import PLAIN_KICK, Kick
from protocol.node.filters import RoomFilter
from protocol.rest.errors import RestError, bad_request
from protocol.rest.fields import ANYTHING, COUNT, TEXT, Field, FieldTable, FieldValues
from protocol.rest.json_body import decode_object
from protocol.rest.kicks import BAN, BAN_RULES, CONNECTION_BAN_BY, REASON, kick_of
from protocol.rest.paging import LIMIT, OFFSET, Page, page_of
from protocol.rest.resources.data import is_larger
from protocol.rest.schemas import COUNT as COUNT_SCHEMA
from protocol.rest.schemas import TEXT as TEXT_SCHEMA
from protocol.rest.schemas import TIME_MS, array_of, described, object_of
from protocol.rest.scope import SCOPE
from protocol.rooms.descriptions import RoomDescription, RoomMemberDescription

NAME: Final = Field("name", TEXT, "name of the room")
APP_KEY: Final = Field("appKey", TEXT, "key of the room's application; without it, rooms of all applications are meant")
LOGIN: Final = Field("login", TEXT, "login of the member")
SECONDS: Final = Field(
    "seconds", COUNT, "how long it may not join again; 60 if this and `ban` are absent, 0: not at all"
)
FROM: Final = Field("from", TEXT, "login of the member in whose name `text` is sent")
MESSAGE: Final = Field("text", ANYTHING, "a message for all members but its sender")
PAYLOAD: Final = Field("payload", ANYTHING, "data for all members, in place of `from` and `text`")

FIND: Final = FieldTable(NAME, APP_KEY, OFFSET, LIMIT)
SEND: Final = FieldTable(
    NAME,
    APP_KEY,
    FROM,
    MESSAGE,
    PAYLOAD,
    required=[NAME],
    rules="Either `text` with `from`, or `payload` must be given.",
)
KICK: Final = FieldTable(
    NAME, APP_KEY, LOGIN, SECONDS, required=[NAME, LOGIN], rules="`seconds` is 31622400 (366 days) at most."
)
KICK_QUERY: Final = FieldTable(REASON, BAN, CONNECTION_BAN_BY, SCOPE, noun="query parameter", rules=BAN_RULES)
TERMINATE: Final = FieldTable(NAME, APP_KEY, required=[NAME])

DEFAULT_SECONDS: Final = 60
LONGEST_BAN: Final = 366 * 86_400


# -- requests ------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class RoomSendRequest:
    """A text from the member `sender`, or, without one, data."""

    filter: RoomFilter
    sender: str | None
    content: Any


@frozen(kw_only=True)
class RoomKickRequest:
    """Which member to remove, for how long it must not come back, and what an operator says to that."""

    filter: RoomFilter
    login: str
    seconds: int
    kick: Kick


def parse_find(fields: Mapping[str, Any]) -> tuple[RoomFilter, Page]:
    """What a find asks for. RestError (400) for anything not exactly understood."""
    given = FIND.read(fields)
    return room_filter(given), page_of(given)


def parse_send(body: bytes, *, max_size: int) -> RoomSendRequest:
    """A `room/send`. RestError: 400 for anything not exactly understood, 413 for content above `max_size` bytes."""
    given = SEND.read(decode_object(body))
    sender, text, payload = given[FROM], given[MESSAGE], given[PAYLOAD]
    if (text is None) == (payload is None):
        raise bad_request("give either `text`, with `from`, or `payload`", key="text")
    if (text is None) != (sender is None):
        raise bad_request("`text` needs `from`, the login of a member, and `payload` takes none", key="from")
    content = payload if text is None else text
    if is_larger(content, max_size):
        key = "payload" if text is None else "text"
        reason = f"`{key}` is larger than {max_size} bytes (setting max_stream_event_size)"
        raise RestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason, key=key, setting="max_stream_event_size")
    return RoomSendRequest(filter=room_filter(given), sender=sender, content=content)


def parse_kick(body: bytes, parameters: Mapping[str, str]) -> RoomKickRequest:
    """A `room/kick`. RestError (400) for anything not exactly understood."""
    kick = kick_of(KICK_QUERY.read(parameters), CONNECTION_BAN_BY) or PLAIN_KICK
    given = KICK.read(decode_object(body))
    seconds = given[SECONDS]
    if seconds is None:
        seconds = DEFAULT_SECONDS if kick.ban is None else 0
    elif kick.ban is not None:
        raise bad_request("give either seconds, or ban in the query string", key="seconds")
    if seconds > LONGEST_BAN:
        raise bad_request(f"seconds must be {LONGEST_BAN} at most", key="seconds")
    return RoomKickRequest(filter=room_filter(given), login=given[LOGIN] or "", seconds=seconds, kick=kick)


def parse_terminate(body: bytes) -> RoomFilter:
    """Which rooms a `room/terminate` ends. RestError (400) for anything not exactly understood."""
    return room_filter(TERMINATE.read(decode_object(body)))


def room_filter(given: FieldValues) -> RoomFilter:
    """The conditions among the values of a table that contains them."""
    return RoomFilter(name=given[NAME], app_key=given[APP_KEY])


# -- answers -------------------------------------------------------------------------------------------------------

_STREAM_SCHEMA: Final = object_of(mediaSessionId=TEXT_SCHEMA, name=TEXT_SCHEMA, createDate=TIME_MS)
_MEMBER_SCHEMA: Final = object_of(
    login=TEXT_SCHEMA,
    sessionId=TEXT_SCHEMA,
    joinDate=TIME_MS,
    streams=described(array_of(_STREAM_SCHEMA), "what it publishes in the room, oldest first"),
)
ROOM: Final = object_of(
    "Room",
    nodeId=TEXT_SCHEMA,
    appKey=TEXT_SCHEMA,
    name=TEXT_SCHEMA,
    createDate=TIME_MS,
    memberCount=COUNT_SCHEMA,
    streamCount=described(COUNT_SCHEMA, "how many streams are published in it"),
    members=described(array_of(_MEMBER_SCHEMA), "in the order in which they joined"),
)


def room_object(room: RoomDescription) -> dict[str, Any]:
    """The room object: its members with their streams, and how many there are of both."""
    return {
        "nodeId": room.node_id,
        "appKey": room.app_key,
        "name": room.name,
        "createDate": room.create_date,
        "memberCount": len(room.members),
        "streamCount": room.stream_count,
        "members": [_member_object(member) for member in room.members],
    }


def _member_object(member: RoomMemberDescription) -> dict[str, Any]:
    streams = [
        {"mediaSessionId": stream.media_session_id, "name": stream.name, "createDate": stream.since}
        for stream in member.streams
    ]
    return {"login": member.login, "sessionId": member.session_id, "joinDate": member.since, "streams": streams}
