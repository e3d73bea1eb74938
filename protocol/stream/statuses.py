"""The statuses and events of a stream, spelled exactly as in WCS.

Clients, backends and REST all read these words, whatever protocol requested the stream; `info_texts` says why a stream
has its status. Source: constants of the Flashphoner WebSDK 2.0 (`STREAM_STATUS`, `STREAM_EVENT_TYPE`). Pages compare
these texts, so changing a letter changes the protocol.
"""

from enum import StrEnum


class StreamStatus(StrEnum):
    """Status of one media session. NEW exists only in the browser; a request starts as PENDING."""

    NEW = "NEW"
    PENDING = "PENDING"
    PUBLISHING = "PUBLISHING"
    PLAYING = "PLAYING"
    UNPUBLISHED = "UNPUBLISHED"
    STOPPED = "STOPPED"
    FAILED = "FAILED"
    PAUSED = "PAUSED"
    PLAYBACK_PROBLEM = "PLAYBACK_PROBLEM"
    RESIZE = "RESIZE"
    SNAPSHOT_COMPLETE = "SNAPSHOT_COMPLETE"
    NOT_ENOUGH_BANDWIDTH = "NOT_ENOUGH_BANDWIDTH"

    @property
    def is_terminal(self) -> bool:
        """True if the browser drops the stream and closes its peer connection at this status."""
        return self in _TERMINAL


_TERMINAL = (StreamStatus.UNPUBLISHED, StreamStatus.STOPPED, StreamStatus.FAILED)


class StreamEventType(StrEnum):
    """What a stream event reports. The browser sends the first five; the others come only from the server."""

    AUDIO_MUTED = "audioMuted"
    AUDIO_UNMUTED = "audioUnmuted"
    VIDEO_MUTED = "videoMuted"
    VIDEO_UNMUTED = "videoUnmuted"
    DATA = "data"
    SNAPSHOT_COMPLETED = "snapshotCompleted"
    SNAPSHOT_FAILED = "snapshotFailed"
    RESIZE = "resize"
    NOT_ENOUGH_BANDWIDTH = "notEnoughBandwidth"

    @property
    def is_from_publisher(self) -> bool:
        """True for the types that a publisher may send and that are passed on to its players."""
        return self in _PUBLISHER_EVENTS


_PUBLISHER_EVENTS = frozenset(
    {
        StreamEventType.AUDIO_MUTED,
        StreamEventType.AUDIO_UNMUTED,
        StreamEventType.VIDEO_MUTED,
        StreamEventType.VIDEO_UNMUTED,
        StreamEventType.DATA,
    }
)
