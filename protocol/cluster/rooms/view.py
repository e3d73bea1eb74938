"""What a node knows of a room that is on another node, and what its members there have been told.

All members of one node are told the same, in the same order, except about themselves: so one view is enough. When
events were missed, a fresh list of members and streams takes its place, and the difference is what is told then.
"""

from typing import Any

from attrs import define, frozen

from protocol.cluster.rooms.messages import EventNews, ListedMember, Listing
from protocol.rooms.events import RoomEventName

MEMBERSHIP = frozenset(
    {
        RoomEventName.JOINED,
        RoomEventName.LEFT,
        RoomEventName.PUBLISHED,
        RoomEventName.UNPUBLISHED,
        RoomEventName.FAILED,
    }
)
"""Events that change who is in a room and what is published there."""


@frozen
class MissedEvent:
    """An event that the members have not been told, but the one whose login it is about."""

    login: str
    name: RoomEventName
    info: Any


@define
class _Known:
    session_id: str
    streams: dict[str, str]
    """mediaSessionId -> name"""


class RoomView:
    """See above."""

    def __init__(self, members: Listing) -> None:
        self._members: dict[str, _Known] = {}
        self._set(members)

    def __len__(self) -> int:
        return len(self._members)

    def knows(self, member: ListedMember) -> bool:
        """Whether this session is in the room."""
        known = self._members.get(member.login)
        return known is not None and _is_same(known, member)

    def apply(self, event: EventNews) -> None:
        """The members are told of this."""
        if event.members is not None:
            self._set(event.members)
            return
        match event.name, event.info:
            case RoomEventName.JOINED, str(login):
                self._members[login] = _Known(event.about or "", {})
            case RoomEventName.LEFT, str(login):
                self._members.pop(login, None)
            case RoomEventName.PUBLISHED, {"login": str(login), "name": str(name)} if login in self._members:
                self._members[login].streams[event.about or ""] = name
            case (
                RoomEventName.UNPUBLISHED | RoomEventName.FAILED,
                {"login": str(login)},
            ) if login in self._members:
                self._members[login].streams.pop(event.about or "", None)

    def replace(self, members: Listing) -> list[MissedEvent]:
        """The room is like this now; what was missed, in an order in which it can have happened."""
        now = {member.login: member for member in members}
        same = {login for login, known in self._members.items() if _is_same(known, now.get(login))}
        missed = [MissedEvent(login, RoomEventName.LEFT, login) for login in self._members if login not in same]
        for login in self._members:
            if login in same:
                missed += self._withdrawn(login, now[login])
        for member in members:
            if member.login not in same:
                missed.append(MissedEvent(member.login, RoomEventName.JOINED, member.login))
            missed += self._published(member, is_new=member.login not in same)
        self._set(members)
        return missed

    def _withdrawn(self, login: str, now: ListedMember) -> list[MissedEvent]:
        left = {(stream.media_session_id, stream.name) for stream in now.streams}
        gone = [name for each, name in self._members[login].streams.items() if (each, name) not in left]
        return [_of_stream(login, RoomEventName.UNPUBLISHED, name) for name in gone]

    def _published(self, member: ListedMember, *, is_new: bool) -> list[MissedEvent]:
        before = {} if is_new else self._members[member.login].streams
        new = [each.name for each in member.streams if before.get(each.media_session_id) != each.name]
        return [_of_stream(member.login, RoomEventName.PUBLISHED, name) for name in new]

    def _set(self, members: Listing) -> None:
        self._members = {
            member.login: _Known(member.session_id, {stream.media_session_id: stream.name for stream in member.streams})
            for member in members
        }


def _is_same(known: _Known, member: ListedMember | None) -> bool:
    """Whether it is the same session that is in the room under this login."""
    return member is not None and member.session_id == known.session_id


def _of_stream(login: str, name: RoomEventName, stream: str) -> MissedEvent:
    return MissedEvent(login, name, {"login": login, "name": stream})
