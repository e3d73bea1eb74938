"""One stream event for many receivers: encoded once, and addressed by a splice."""

import json
from typing import Any, Final

from protocol.signaling.codec import encode
from protocol.signaling.frames import NotifyStreamEvent
from protocol.signaling.statuses import StreamEventType

_ADDRESS: Final = '"mediaSessionId":'
_NOBODY: Final = '""'


class SharedEvent:
    """A `notifyStreamEvent` that differs from receiver to receiver by its `mediaSessionId` alone.

    Raises ValueError or RecursionError for a payload that JSON cannot say.
    """

    def __init__(self, event: StreamEventType, payload: Any = None) -> None:
        self.type = event
        self.payload = payload
        text = encode(NotifyStreamEvent(media_session_id="", type=event, payload=payload))
        head, _, self._tail = text.partition(_ADDRESS + _NOBODY)
        self._head = head + _ADDRESS

    @property
    def size(self) -> int:
        """What the event takes on the wire without the receiver's id, in bytes."""
        return len(self._head) + len(self._tail)

    def addressed_to(self, media_session_id: str) -> str:
        """The frame as text for the player `media_session_id`, equal to what `encode` makes of it."""
        return f"{self._head}{json.dumps(media_session_id)}{self._tail}"
