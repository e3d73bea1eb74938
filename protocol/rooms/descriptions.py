"""A room as seen from outside, at one moment: frozen, JSON-able data."""

from attrs import frozen

from protocol.rooms.room_state import RoomStream


@frozen(kw_only=True)
class RoomMemberDescription:
    """One member. `since`: milliseconds since the epoch, when it joined."""

    login: str
    session_id: str
    since: int
    streams: tuple[RoomStream, ...]
    """Its published streams, oldest first."""


@frozen(kw_only=True)
class RoomDescription:
    """One room. `create_date`: milliseconds since the epoch."""

    node_id: str
    app_key: str
    name: str
    create_date: int
    members: tuple[RoomMemberDescription, ...]
    """In the order in which they joined."""

    @property
    def stream_count(self) -> int:
        """How many streams are published in it."""
        return sum(len(member.streams) for member in self.members)
