"""The life of one stream, as its owner and the backend are told of it.

Every stream is told one status at a time, and exactly one terminal status at its end. Pages retry on FAILED and take
the other two for wanted, so only the user's own stop may lead to these (signalling reference, section 5.2). That is all
that sets the ends apart: whatever else ends a stream (a refusal, a failure, a terminate, its publisher's end) is one
event here, and the info text beside the status says which it was.

The rules are a table: (status, event) -> next status. An event without a row for the present status changes nothing, so
that what comes twice, or after the end, is told once. A publication and a playback have the same shape with words of
their own.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from protocol.stream.statuses import StreamStatus


class LifeEvent(Enum):
    """What moves a stream on."""

    MEDIA_FLOWS = auto()
    """A publication's first media has come, or a playback's transport is up."""
    USER_STOPS = auto()
    """Its own user ends it."""
    OTHER_END = auto()
    """Anybody or anything else ends it."""


Transitions = Mapping[tuple[StreamStatus, LifeEvent], StreamStatus]

PUBLISHED: Final[Transitions] = {
    (StreamStatus.PENDING, LifeEvent.MEDIA_FLOWS): StreamStatus.PUBLISHING,
    (StreamStatus.PENDING, LifeEvent.USER_STOPS): StreamStatus.UNPUBLISHED,
    (StreamStatus.PENDING, LifeEvent.OTHER_END): StreamStatus.FAILED,
    (StreamStatus.PUBLISHING, LifeEvent.USER_STOPS): StreamStatus.UNPUBLISHED,
    (StreamStatus.PUBLISHING, LifeEvent.OTHER_END): StreamStatus.FAILED,
}
"""The life of a publication; it begins in PENDING."""

PLAYED: Final[Transitions] = {
    (StreamStatus.PENDING, LifeEvent.MEDIA_FLOWS): StreamStatus.PLAYING,
    (StreamStatus.PENDING, LifeEvent.USER_STOPS): StreamStatus.STOPPED,
    (StreamStatus.PENDING, LifeEvent.OTHER_END): StreamStatus.FAILED,
    (StreamStatus.PLAYING, LifeEvent.USER_STOPS): StreamStatus.STOPPED,
    (StreamStatus.PLAYING, LifeEvent.OTHER_END): StreamStatus.FAILED,
}
"""The life of a playback; it begins in PENDING."""


class StreamLife:
    """The status of one stream."""

    def __init__(self, *, published: bool) -> None:
        self.status = StreamStatus.PENDING
        self._transitions = PUBLISHED if published else PLAYED

    @property
    def is_over(self) -> bool:
        return self.status.is_terminal

    @property
    def is_live(self) -> bool:
        """PUBLISHING or PLAYING."""
        return self.status in (StreamStatus.PUBLISHING, StreamStatus.PLAYING)

    def take(self, event: LifeEvent) -> bool:
        """`event` has happened. True when it has moved the stream: then, and only then, the status is to be told."""
        status = self._transitions.get((self.status, event))
        if status is None:
            return False
        self.status = status
        return True
