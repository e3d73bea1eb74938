"""One stream event for many receivers: encoded once, then the receiver's id is spliced in.

Until June 2022 three of the events were statuses, and pages pin the SDK that they were written for, which listens only
to the statuses. An extra status does no harm to newer SDKs, so both are sent.
"""

import json
from typing import Any, Final

from protocol.signaling.frame_codec import encode
from protocol.signaling.frames import NotifyStreamEvent, NotifyStreamStatusEvent, NotifyVideoFormat, ServerFrame
from protocol.stream.events import StreamEvent
from protocol.stream.statuses import StreamEventType, StreamStatus

_ADDRESS: Final = '"mediaSessionId":'
_NOBODY: Final = '""'


class SharedEvent:
    """A `notifyStreamEvent` that differs between receivers only in its `mediaSessionId`.

    Raises ValueError or RecursionError for a payload that JSON cannot express.
    """

    def __init__(self, event: StreamEvent) -> None:
        status = status_form(event.type, event.payload)
        self._event = _Template(NotifyStreamEvent(media_session_id="", type=event.type, payload=event.payload))
        self._status = None if status is None else _Template(status)

    @property
    def size(self) -> int:
        """The event's size on the wire in bytes, without the receiver's id."""
        return self._event.size

    def addressed_to(self, media_session_id: str) -> list[str]:
        """The texts for the player `media_session_id`: the event, and the status that an old SDK expects, if any."""
        forms = [self._event] if self._status is None else [self._event, self._status]
        return [form.addressed_to(media_session_id) for form in forms]


class _Template:
    """A frame as text, identical to the output of `encode` except for the receiver."""

    def __init__(self, frame: ServerFrame) -> None:
        head, _, self._tail = encode(frame).partition(_ADDRESS + _NOBODY)
        self._head = head + _ADDRESS

    @property
    def size(self) -> int:
        return len(self._head) + len(self._tail)

    def addressed_to(self, media_session_id: str) -> str:
        return f"{self._head}{json.dumps(media_session_id)}{self._tail}"


def status_form(
    event: StreamEventType, payload: Any, *, media_session_id: str = ""
) -> NotifyStreamStatusEvent | NotifyVideoFormat | None:
    """The status that SDKs from before June 2022 know instead of this event; None if they know no such status.

    `payload` is the event's, as the server makes it.
    """
    match event, payload:
        case StreamEventType.RESIZE, {"streamerVideoWidth": width, "streamerVideoHeight": height}:
            return NotifyVideoFormat(
                media_session_id=media_session_id,
                streamer_video_width=width,
                streamer_video_height=height,
                player_video_width=width,
                player_video_height=height,
            )
        case StreamEventType.NOT_ENOUGH_BANDWIDTH, {"info": info}:
            status = StreamStatus.NOT_ENOUGH_BANDWIDTH
        case StreamEventType.SNAPSHOT_COMPLETED, {"snapshot": info}:
            status = StreamStatus.SNAPSHOT_COMPLETE
        case _:
            return None
    return NotifyStreamStatusEvent(media_session_id=media_session_id, status=status, info=info)
