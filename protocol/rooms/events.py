"""What a room tells its members. One event may have hundreds of receivers."""

from enum import StrEnum
from typing import Any

from protocol.common.shared_forms import SharedForms
from protocol.stream.events import EventTally


class RoomEventName(StrEnum):
    """The events of a room: those of the RoomApi, and DATA."""

    STATE = "STATE"
    """To the one who joined: the others. A list of `{login, name}` for each published stream, and of the plain login
    of each member without one."""
    JOINED = "JOINED"
    LEFT = "LEFT"
    PUBLISHED = "PUBLISHED"
    """`{login, name}`: the stream can be played."""
    UNPUBLISHED = "UNPUBLISHED"
    FAILED = "FAILED"
    MESSAGE = "MESSAGE"
    """`{from, text}`"""
    DATA = "DATA"
    """Any JSON from the backend; the RoomApi ignores it."""


class RoomEvent(SharedForms):
    """One event, shared by all its receivers. With a `tally`, they are counted; see `StreamEvent`.

    `about`: the session or media session that it concerns, which the receivers are not told.
    """

    __slots__ = ("about", "info", "name", "room", "tally")

    def __init__(
        self, room: str, name: RoomEventName, info: Any, *, about: str | None = None, tally: EventTally | None = None
    ) -> None:
        super().__init__()
        self.room = room
        self.name = name
        self.info = info
        """JSON, whose shape depends on the name."""
        self.about = about
        self.tally = tally

    def payload(self, room: str | None = None) -> dict[str, Any]:
        """The payload of its `OnDataEvent`, under the room's own name or another that the receiver knows."""
        return {"roomName": self.room if room is None else room, "name": self.name, "info": self.info}
