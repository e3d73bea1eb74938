"""Notifications that are kept for later, because their backend could not be reached."""

from enum import StrEnum
from typing import Final

from attrs import field, frozen

from protocol.hooks.methods import HookMethod
from protocol.hooks.verdicts import Answered, Outcome, TimedOut, Unreachable

OVERHEAD: Final = 256
"""Bytes that a kept hook takes besides its body."""


class KeepPolicy(StrEnum):
    """What of an application is kept when it cannot be delivered."""

    OFF = "off"
    ENDS = "ends"
    """What reports the end of a stream or session; and whatever comes behind it in the same session, for the order."""
    ALL = "all"
    """Every notification."""

    def keeps(self, *, last: bool) -> bool:
        """Whether a notification is kept; `last`: it reports an end."""
        return self is KeepPolicy.ALL or (self is KeepPolicy.ENDS and last)


@frozen(kw_only=True)
class KeptHook:
    """One of them. `number` grows with each; within an application and a `lane` they are delivered in that order."""

    number: int
    app_key: str
    lane: str
    """The session's id; empty if all sessions share one order (`rest_hook_order=global`)."""
    method: HookMethod
    hook_id: str
    attempts: int
    """How often it has been sent before it was kept."""
    event_time: float
    """When what it tells has happened: seconds since the epoch."""
    last: bool
    """Whether it reports the end of a stream or session."""
    content: bytes = field(repr=False)
    """Its body as JSON."""

    @property
    def size(self) -> int:
        """Approximate bytes that it takes."""
        return len(self.content) + OVERHEAD


def is_undelivered(outcome: Outcome) -> bool:
    """Whether a notification with this outcome should be sent again later: it got no answer, or 500 and up."""
    match outcome:
        case TimedOut() | Unreachable():
            return True
        case Answered(status=status):
            return status >= 500
        case _:
            return False
