"""The life of one stream, as reported to its owner and the backend.

Every stream has one status at a time, and ends with exactly one terminal status. Pages retry on FAILED and treat the
other two as intended, so only a stop by the stream's user may lead to those (signalling reference, section 5.2). Ends
differ in nothing else: whatever else ends a stream (a refusal, a failure, a terminate, the end of its publisher) is one
event here, and the info text next to the status says which it was.

An event without a row for the current status changes nothing, so events that come twice or after the end are not
reported again. Publications and playbacks have the same states under different names.
"""

from enum import Enum, unique
from typing import Final

from protocol.common.transitions import Transitions
from protocol.stream.statuses import StreamStatus


@unique
class LifeEvent(Enum):
    """What changes a stream's status."""

    MEDIA_FLOWS = "a publication's first media has arrived, or a playback's transport is up"
    USER_STOPS = "the stream's user ends it"
    OTHER_END = "anyone or anything else ends it"


PUBLISHED: Final = Transitions(
    initial=StreamStatus.PENDING,
    rows={
        (StreamStatus.PENDING, LifeEvent.MEDIA_FLOWS): StreamStatus.PUBLISHING,
        (StreamStatus.PENDING, LifeEvent.USER_STOPS): StreamStatus.UNPUBLISHED,
        (StreamStatus.PENDING, LifeEvent.OTHER_END): StreamStatus.FAILED,
        (StreamStatus.PUBLISHING, LifeEvent.USER_STOPS): StreamStatus.UNPUBLISHED,
        (StreamStatus.PUBLISHING, LifeEvent.OTHER_END): StreamStatus.FAILED,
    },
)
"""The life of a publication."""

PUBLISHED_MEANINGS: Final = {
    StreamStatus.PENDING: "the backend is being asked, and the publisher's media has not arrived yet",
    StreamStatus.PUBLISHING: "media has arrived; players may receive it",
    StreamStatus.UNPUBLISHED: "the stream's user has ended it",
    StreamStatus.FAILED: "it was refused, failed, or was ended by someone else; pages try again",
}

PLAYED: Final = Transitions(
    initial=StreamStatus.PENDING,
    rows={
        (StreamStatus.PENDING, LifeEvent.MEDIA_FLOWS): StreamStatus.PLAYING,
        (StreamStatus.PENDING, LifeEvent.USER_STOPS): StreamStatus.STOPPED,
        (StreamStatus.PENDING, LifeEvent.OTHER_END): StreamStatus.FAILED,
        (StreamStatus.PLAYING, LifeEvent.USER_STOPS): StreamStatus.STOPPED,
        (StreamStatus.PLAYING, LifeEvent.OTHER_END): StreamStatus.FAILED,
    },
)
"""The life of a playback."""

PLAYED_MEANINGS: Final = {
    StreamStatus.PENDING: "the backend is being asked, the publication is looked up, and the transport is not up yet",
    StreamStatus.PLAYING: "the player's transport is up",
    StreamStatus.STOPPED: "the stream's user has ended it",
    StreamStatus.FAILED: "it was refused, failed, or was ended by someone else; pages try again",
}


class StreamLife:
    """The status of one stream."""

    def __init__(self, *, published: bool) -> None:
        self._transitions = PUBLISHED if published else PLAYED
        self.status = self._transitions.initial

    @property
    def is_over(self) -> bool:
        return self.status.is_terminal

    @property
    def is_live(self) -> bool:
        """PUBLISHING or PLAYING."""
        return self.status in (StreamStatus.PUBLISHING, StreamStatus.PLAYING)

    def take(self, event: LifeEvent) -> bool:
        """Handle `event`. True if it changed the status: only then must the status be reported."""
        if not self._transitions.allows(self.status, event):
            return False
        self.status = self._transitions.after(self.status, event)
        return True
