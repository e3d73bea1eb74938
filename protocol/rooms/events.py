"""What a room tells its members. One event may have hundreds of receivers."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

from attrs import field, frozen

F = TypeVar("F")


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


@frozen(eq=False)
class RoomEvent:
    """One event, shared by all its receivers."""

    room: str
    name: RoomEventName
    info: Any = field(repr=False)
    _forms: dict[Any, Any] = field(init=False, factory=dict, repr=False)

    def payload(self, room: str | None = None) -> dict[str, Any]:
        """The payload of its `OnDataEvent`, under the room's own name or another that the receiver knows."""
        return {"roomName": self.room if room is None else room, "name": self.name, "info": self.info}

    def form(self, make: Callable[["RoomEvent"], F]) -> F:
        """The event as `make` writes it, written once for all receivers. `make` must be the same object each time."""
        made: F | None = self._forms.get(make)
        if made is None:
            made = self._forms[make] = make(self)
        return made
