"""What a page asks of a room: the payload of a `sendData`, `{"command": ..., "options": ...}`.

    join         {"name": room}
    leave        {"name": room}
    sendMessage  {"roomConfig": {"name": room}, "to": login, "text": any JSON}

Names of rooms and logins are any Unicode but control characters. A payload without `command` is the page's own data.
"""

import unicodedata
from typing import Any, Final

from attrs import field, frozen

from protocol.common.json_bounds import json_is_larger
from protocol.common.json_decoding import FieldError, read_name
from protocol.rooms.info_texts import RoomInfo, RoomRefused

MAX_NAME_LENGTH: Final = 256
"""Characters of a room's name and of a login."""


@frozen(kw_only=True)
class JoinCommand:
    """`join`. The option `record` is accepted and has no effect: this server does not record."""

    room: str


@frozen(kw_only=True)
class LeaveCommand:
    """`leave`"""

    room: str


@frozen(kw_only=True)
class MessageCommand:
    """`sendMessage`: a text for one other member. `text` may be any JSON but null."""

    room: str
    to: str
    text: Any = field(repr=False)


RoomCommand = JoinCommand | LeaveCommand | MessageCommand


def is_command(payload: Any) -> bool:
    """Whether the payload of a `sendData` asks something of a room."""
    return isinstance(payload, dict) and payload.get("command") is not None


def read_command(payload: dict[str, Any], *, max_message_size: int) -> RoomCommand:
    """The command in a payload for which `is_command` holds. RoomRefused for anything unusable.

    `max_message_size`: bytes that the text may have as JSON in UTF-8.
    """
    options = _object(payload.get("options"), "options")
    match payload["command"]:
        case "join":
            return JoinCommand(room=checked_name(options.get("name"), "room name"))
        case "leave":
            return LeaveCommand(room=checked_name(options.get("name"), "room name"))
        case "sendMessage":
            config = _object(options.get("roomConfig"), "roomConfig")
            return MessageCommand(
                room=checked_name(config.get("name"), "room name"),
                to=checked_name(options.get("to"), "to"),
                text=checked_text(options.get("text"), max_message_size=max_message_size),
            )
    raise RoomRefused("Unknown room command: join, leave and sendMessage are known")


def room_named(payload: Any) -> str | None:
    """The name of the room that a payload asks something of; None if it names none."""
    match payload:
        case {"command": "sendMessage", "options": {"roomConfig": {"name": name}}}:
            pass
        case {"command": "join" | "leave", "options": {"name": name}}:
            pass
        case _:
            return None
    try:
        return read_name(name)
    except FieldError:
        return None


def checked_name(value: Any, what: str) -> str:
    """A room's name or a login, a whole number included. RoomRefused, with `what` in its info, for anything else."""
    if value is None or value == "":
        raise RoomRefused(f"The {what} is missing")
    try:
        name = read_name(value)
    except FieldError:
        raise RoomRefused(f"The {what} must be text") from None
    if len(name) > MAX_NAME_LENGTH:
        raise RoomRefused(f"The {what} must not be longer than {MAX_NAME_LENGTH} characters")
    if any(unicodedata.category(character) == "Cc" for character in name):
        raise RoomRefused(f"The {what} must not hold control characters")
    return name


def checked_text(value: Any, *, max_message_size: int) -> Any:
    """What a message says. RoomRefused if it is missing or larger than `max_message_size` bytes of JSON in UTF-8."""
    if value is None:
        raise RoomRefused("The text is missing")
    if json_is_larger(value, max_message_size):
        raise RoomRefused(RoomInfo.MESSAGE_IS_TOO_LARGE, limit="rooms.max_message_size")
    return value


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RoomRefused(f"{what} must be an object")
    return value
