"""What the node of a member and the node of its room tell each other.

    RoomWords  to the room's node: what members there ask, in order
    RoomNews   to the members' node: what follows, for which of its members, in order
    SeekRoom   to all nodes: the room is here now; those that have members in it come

Both ways are numbered, one message at a time: the next one is sent when the last one was acknowledged. A seat is one
session in one room; its id is chosen by the member's node, and so are the numbers of its commands.
"""

from collections.abc import Iterable
from typing import Any

from attrs import field, frozen

from protocol.cluster.ends import End
from protocol.node.filters import RoomFilter
from protocol.rooms.bans import RoomKey
from protocol.rooms.descriptions import RoomDescription
from protocol.rooms.room_state import RoomStream

TAKEN = "taken"
"""The reply to a message that was heard, now or before."""
ELSEWHERE = "elsewhere"
"""The reply of a node that does not have the room, or these members."""
BUSY = "busy"
"""The reply, which is not sent, of a node that can take it later."""
NO_MEMBER = "no member"
"""The reply of a node that has the room, but not this member in it."""
GAP = "gap"
"""The reply of a node that has missed the message before this one."""


# -- to the room's node ------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class TakeSeat:
    """A session wants to ask something of the room."""

    seat: str
    login: str
    session_id: str
    address: str


@frozen(kw_only=True)
class AskJoin:
    """`JoinRequest`"""

    seat: str
    command: int
    at: int


@frozen(kw_only=True)
class AskLeave:
    """`LeaveRequest`"""

    seat: str
    command: int


@frozen(kw_only=True)
class AskMessage:
    """`MessageRequest`"""

    seat: str
    command: int
    to: str
    text: Any = field(repr=False)


@frozen(kw_only=True)
class StreamBegun:
    """`StreamStarted`"""

    seat: str
    stream: RoomStream


@frozen(kw_only=True)
class StreamEnded:
    """`StreamOver`"""

    seat: str
    media_session_id: str
    failed: bool


@frozen(kw_only=True)
class SeatLost:
    """Its session is gone."""

    seat: str


RoomWord = TakeSeat | AskJoin | AskLeave | AskMessage | StreamBegun | StreamEnded | SeatLost


@frozen(kw_only=True)
class SeatRecord:
    """A member that was in the room before this node turned to the room's present node."""

    seat: str
    login: str
    session_id: str
    address: str
    since: int
    streams: tuple[RoomStream, ...]


@frozen(kw_only=True)
class RoomWords:
    """Number 1 of a line begins it: `records` are all members that the node has in the room, however it had them."""

    app_key: str
    name: str
    member: str
    """The node's name as a member of the cluster; empty: the room is on the same node."""
    line: str
    number: int
    records: tuple[SeatRecord, ...] = ()
    words: tuple[RoomWord, ...] = ()

    @property
    def key(self) -> RoomKey:
        return self.app_key, self.name


# -- to the members' node ----------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class ListedStream:
    """A stream that is published in a room."""

    media_session_id: str
    name: str


@frozen(kw_only=True)
class ListedMember:
    """A member and its streams, oldest first."""

    login: str
    session_id: str
    streams: tuple[ListedStream, ...] = ()


Listing = tuple[ListedMember, ...]
"""All members of a room, in the order in which they joined."""


@frozen(kw_only=True)
class EventNews:
    """An event for some of the members there. `about`: the session or media session that it concerns.

    STATE has `members`, its receiver among them, in place of `info`.
    """

    to: tuple[str, ...]
    name: str
    info: Any = field(default=None, repr=False)
    about: str | None = None
    members: Listing | None = None


@frozen(kw_only=True)
class AnswerNews:
    """The answer to a command: done, or refused because of `info`."""

    seat: str
    command: int
    info: str | None = None


@frozen(kw_only=True)
class LeftNews:
    """It has left, as it wished."""

    seat: str


@frozen(kw_only=True)
class OutNews:
    """The seat is void. `info` says why, if that was not the member's wish; `end`: what an operator ordered.

    `is_refused`: it never was one.
    """

    seat: str
    is_refused: bool = False
    info: str | None = None
    end: End | None = None


@frozen(kw_only=True)
class UnwelcomeNews:
    """The room does not take this stream."""

    seat: str
    media_session_id: str
    info: str


@frozen(kw_only=True)
class ListingNews:
    """Who is in the room now: events may have been missed."""

    members: Listing


@frozen(kw_only=True)
class MovedNews:
    """The room is not here any more."""


RoomNewsItem = EventNews | AnswerNews | LeftNews | OutNews | UnwelcomeNews | ListingNews | MovedNews


@frozen(kw_only=True)
class RoomNews:
    """What follows, in order."""

    app_key: str
    name: str
    line: str
    number: int
    news: tuple[RoomNewsItem, ...]

    @property
    def key(self) -> RoomKey:
        return self.app_key, self.name


# -- to all nodes ------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class SeekRoom:
    """The reply's count is 1 if the node has members in the room, and turns to `member` now."""

    app_key: str
    name: str
    member: str

    @property
    def key(self) -> RoomKey:
        return self.app_key, self.name


@frozen(kw_only=True)
class FindRooms:
    """How many rooms match, and the first of them."""

    filter: RoomFilter
    limit: int


@frozen(kw_only=True)
class PostToRooms:
    """Tell all members: as a text from `sender`, or, without one, as data."""

    filter: RoomFilter
    content: Any
    sender: str | None = None


@frozen(kw_only=True)
class KickFromRooms:
    """Remove a member, and refuse it for `seconds`."""

    filter: RoomFilter
    login: str
    seconds: float
    end: End


@frozen(kw_only=True)
class EndRooms:
    """End the rooms. The reply's count is of members, `sent` of rooms."""

    filter: RoomFilter


RoomAsk = RoomWords | RoomNews | SeekRoom | FindRooms | PostToRooms | KickFromRooms | EndRooms

ROOM_KINDS: dict[str, type[RoomAsk]] = {
    "room-words": RoomWords,
    "room-news": RoomNews,
    "seek-room": SeekRoom,
    "find-rooms": FindRooms,
    "post-to-rooms": PostToRooms,
    "kick-from-rooms": KickFromRooms,
    "end-rooms": EndRooms,
}


def listing_of(room: RoomDescription) -> Listing:
    """The members of a room."""
    return tuple(
        ListedMember(
            login=member.login,
            session_id=member.session_id,
            streams=tuple(
                ListedStream(media_session_id=each.media_session_id, name=each.name) for each in member.streams
            ),
        )
        for member in room.members
    )


def state_of(members: Iterable[ListedMember], *, without: str) -> list[Any]:
    """The STATE that the member `without` gets."""
    others = (member for member in members if member.login != without)
    return [entry for member in others for entry in _entries(member)]


def _entries(member: ListedMember) -> list[Any]:
    return [{"login": member.login, "name": stream.name} for stream in member.streams] or [member.login]
