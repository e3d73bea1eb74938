"""A session's place in one room, as both see it.

A room does not know what its members are. The WebSDK's session is one kind of client; another kind needs only
`RoomClient`.
"""

from collections.abc import Iterable
from typing import Protocol

from actors.node.termination import Follower
from protocol.access.kicks import Kick
from protocol.rooms.events import RoomEvent
from protocol.rooms.requests import MemberRequest


class RoomPort(Protocol):
    """A room as its members reach it: `actors.rooms.room.Room` is one."""

    @property
    def name(self) -> str: ...
    def now_ms(self) -> int: ...
    def submit(self, member: "RoomMember", request: MemberRequest) -> None: ...
    def lost(self, member: "RoomMember") -> None: ...


class RoomClient(Protocol):
    """A session that is in rooms, or wants to be. Called on the event loop; must not raise or wait."""

    def room_event(self, member: "RoomMember", event: RoomEvent) -> None:
        """The client is to be told this."""

    def room_left(self, member: "RoomMember") -> None:
        """It has left, as it wished. It may still have the seat, if it asked to join again."""

    def room_seat_taken(self, member: "RoomMember", info: str | None, kick: Kick | None) -> None:
        """`member` is void from now on. `info` says why, if that was not the client's wish.

        `kick`: what an operator ordered, if it was that.
        """

    def room_streams(self, member: "RoomMember") -> Iterable[Follower]:
        """Its streams that were published or played in the room."""

    def room_refuses_stream(self, member: "RoomMember", media_session_id: str, info: str) -> None:
        """The room does not take this published stream."""


class RoomMember:
    """One seat. It is void once the client was told so; a client that comes back gets another one."""

    def __init__(self, room: RoomPort, client: RoomClient, *, called: str) -> None:
        self.room = room
        self.called = called
        """The name by which the client knows the room: its backend may have sent it to another one."""
        self.client = client

    def submit(self, request: MemberRequest) -> None:
        """Ask the room for something. RoomRefused, for a command only, if it does not take it."""
        self.room.submit(self, request)

    def lost(self) -> None:
        """The client is gone."""
        self.room.lost(self)

    def pass_event(self, event: RoomEvent) -> None:
        """As a receiver of the room's events."""
        self.client.room_event(self, event)
