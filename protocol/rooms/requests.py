"""What is asked of a room, and what follows from it.

`operation` is whatever the asker recognises its request by; each is answered exactly once. `M` is the type of members.
"""

from typing import Any, Generic, TypeVar

from attrs import field, frozen

from protocol.access.kicks import PLAIN_KICK, Kick
from protocol.rooms.events import RoomEvent
from protocol.stream.events import EventTally

M = TypeVar("M")


# -- from a member -----------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class JoinRequest:
    """Let me in. `at`: milliseconds since the epoch.

    `returns`: it was in the room already, on another node, and knows who is there; a later member has its login.
    """

    at: int
    returns: bool = False
    operation: Any = field(repr=False)


@frozen(kw_only=True)
class LeaveRequest:
    """I leave."""

    operation: Any = field(repr=False)


@frozen(kw_only=True)
class MessageRequest:
    """Pass this on to the member `to`."""

    to: str
    text: Any = field(repr=False)
    operation: Any = field(repr=False)


@frozen(kw_only=True)
class StreamStarted:
    """A stream of mine can be played. `at`: milliseconds since the epoch."""

    media_session_id: str
    name: str
    at: int


@frozen(kw_only=True)
class StreamOver:
    """A stream of mine has ended; `failed`: not because its user wanted it."""

    media_session_id: str
    failed: bool


@frozen(kw_only=True)
class LookRequest:
    """Answer when all that I asked for before is done: in this moment, everybody has been told everything."""

    operation: Any = field(repr=False)


MemberRequest = JoinRequest | LeaveRequest | MessageRequest | StreamStarted | StreamOver | LookRequest


# -- from the operator or the backend ----------------------------------------------------------------------------------


@frozen(kw_only=True)
class KickRequest:
    """Remove the member `login`, and refuse it for `seconds`. `kick`: the reason to tell, and a ban beside that."""

    login: str
    seconds: float
    kick: Kick = PLAIN_KICK
    operation: Any = field(repr=False)


@frozen(kw_only=True)
class PostRequest:
    """Tell all members: as a text from the member `sender`, or, without one, as data."""

    sender: str | None
    content: Any = field(repr=False)
    tally: EventTally | None = None
    """Counts those who are told; it hears nothing if the request is refused."""
    operation: Any = field(repr=False)


OperatorRequest = KickRequest | PostRequest


# -- what follows ------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class RequestAnswered:
    """The answer to a request: done, or refused because of `info`. `limit` names the setting, if it is one."""

    operation: Any = field(repr=False)
    info: str | None = None
    limit: str | None = None


@frozen(kw_only=True)
class Told(Generic[M]):
    """These members are to be told this, in order after everything they were told before."""

    to: tuple[M, ...]
    event: RoomEvent


@frozen(kw_only=True)
class HasLeft(Generic[M]):
    """The member has left because it wanted to."""

    member: M


@frozen(kw_only=True)
class SeatTaken(Generic[M]):
    """The member has no place in the room any more; `info` says why if it did not want that.

    `kick`: what an operator orders with it.
    """

    member: M
    info: str | None = None
    kick: Kick | None = None


@frozen(kw_only=True)
class StreamUnwelcome(Generic[M]):
    """The room does not take this stream of the member."""

    member: M
    media_session_id: str
    info: str
    limit: str | None = None


Effect = RequestAnswered | Told[M] | HasLeft[M] | SeatTaken[M] | StreamUnwelcome[M]
