"""Texts that say why a room refuses something. Pages show them; backends may compare them."""

from enum import StrEnum


class RoomInfo(StrEnum):
    """Why a command, a stream or a join is refused, or why a member is out."""

    NOT_JOINED = "Room is not joined"
    ALREADY_JOINED = "Room is joined already under another name"
    ROOM_IS_FULL = "Room is full"
    TOO_MANY_ROOMS = "Too many rooms"
    TOO_MANY_ROOMS_JOINED = "Too many rooms are joined"
    TOO_MANY_COMMANDS = "Too many commands are waiting"
    TOO_MANY_JOINS = "Too many joins"
    TOO_MANY_PUBLICATIONS = "Too many publications"
    MESSAGE_IS_TOO_LARGE = "Message is too large"
    NO_SUCH_PARTICIPANT = "Participant is not in the room"
    KICKED = "Kicked from room"
    DISPLACED = "Joined by another session with the same login"
    TERMINATED = "Room is terminated"
    SERVER_IS_SHUTTING_DOWN = "Server is shutting down"
    FAILED_BY_ERROR = "Failed by error"
    CLUSTER_IS_UNREACHABLE = "Cluster is unreachable"
    ROOM_IS_UNREACHABLE = "Room is unreachable"


class RoomRefused(Exception):
    """A room, or the rules of rooms, refuses something. `info` tells the client why, `limit` names the setting."""

    def __init__(self, info: str, *, limit: str | None = None) -> None:
        super().__init__(info)
        self.info = info
        self.limit = limit
