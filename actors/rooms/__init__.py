"""Rooms: one actor each, from the first join to the last leave.

`room.py` is the actor, `member.py` a session's place in it, `directory.py` finds and creates rooms,
`places.py` is what sessions see of it; `clustered/` is for rooms of several nodes.
"""

from actors.rooms.directory import RoomDirectory
from actors.rooms.member import RoomClient, RoomMember
from actors.rooms.places import RoomPlaces
from actors.rooms.room import STREAMS_TERMINATED, Room, RoomServices

__all__ = ["STREAMS_TERMINATED", "Room", "RoomClient", "RoomDirectory", "RoomMember", "RoomPlaces", "RoomServices"]
