"""Stream events other than status changes: mutes, data, sizes. One event may have thousands of receivers."""

from typing import Any, Protocol

from protocol.common.shared_forms import SharedForms
from protocol.stream.statuses import StreamEventType


class EventTally(Protocol):
    """Counts an event's receivers for the one who sent it and wants to know."""

    def count(self, *, sent: bool) -> None:
        """One receiver has been sent the event, or could not be."""

    def finish(self) -> None:
        """No more receivers follow, except those whose backend has yet to answer."""


class StreamEvent(SharedForms):
    """One event of a stream, shared by all its receivers.

    With a `tally`, receivers that cannot take it without displacing others go without, and all are counted.
    """

    __slots__ = ("payload", "tally", "type")

    def __init__(self, event: StreamEventType, payload: Any = None, *, tally: EventTally | None = None) -> None:
        super().__init__()
        self.type = event
        self.payload = payload
        """JSON; None where the type says all."""
        self.tally = tally
