"""The life of one stream, as its owner and the backend are told of it.

Every stream is told one status at a time, and exactly one terminal status at its end. Pages retry on FAILED and take
the other two for wanted, so only the user's own stop may lead to these (signalling reference, section 5.2). That is all
that sets the ends apart: whatever else ends a stream (a refusal, a failure, a terminate, its publisher's end) is one
event here, and the info text beside the status says which it was.

An event without a row for the present status changes nothing, so that what comes twice, or after the end, is told once.
A publication and a playback have the same shape with words of their own.
"""

from enum import Enum, unique
from typing import Final

from protocol.common.transitions import Transitions
from protocol.stream.statuses import StreamStatus


@unique
class LifeEvent(Enum):
    """What moves a stream on."""

    MEDIA_FLOWS = "a publication's first media has come, or a playback's transport is up"
    USER_STOPS = "its own user ends it"
    OTHER_END = "anybody or anything else ends it"


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
    StreamStatus.PENDING: "the backend is asked, and the publisher's media has yet to come",
    StreamStatus.PUBLISHING: "media has come; players may have it",
    StreamStatus.UNPUBLISHED: "its own user has ended it",
    StreamStatus.FAILED: "it was refused, has failed, or was ended by somebody else; pages try again",
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
    StreamStatus.PENDING: "the backend is asked, the publication is looked for, and the transport is not up yet",
    StreamStatus.PLAYING: "the player's transport is up",
    StreamStatus.STOPPED: "its own user has ended it",
    StreamStatus.FAILED: "it was refused, has failed, or was ended by somebody else; pages try again",
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
        """`event` has happened. True when it has moved the stream: then, and only then, the status is to be told."""
        if not self._transitions.allows(self.status, event):
            return False
        self.status = self._transitions.after(self.status, event)
        return True
