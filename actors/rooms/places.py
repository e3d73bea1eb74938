"""Where sessions find rooms: those of one process, or of all nodes of a cluster."""

from typing import Protocol

from actors.rooms.member import RoomClient, RoomMember
from actors.rooms.room import RoomServices
from protocol.rooms.bans import RoomKey


class JoinableRoom(Protocol):
    """A room, as far as it is known here."""

    @property
    def member_count(self) -> int: ...


class RoomPlaces(Protocol):
    """See above."""

    @property
    def services(self) -> RoomServices: ...

    def get(self, key: RoomKey) -> JoinableRoom | None:
        """The room of this application and name, if it is known here."""

    def enter(
        self, key: RoomKey, client: RoomClient, *, login: str, session_id: str, address: str, called: str
    ) -> RoomMember:
        """A seat for `client` in a room, which is created if necessary. Raises RoomRefused."""
