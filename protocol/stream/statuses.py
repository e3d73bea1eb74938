"""What is told of a stream: its status, why it is in it, and its events, spelled exactly as WCS spells them.

Clients, backends and REST all read these words, whatever protocol a stream was asked for in. Source: constants of the
Flashphoner WebSDK 2.0 (`STREAM_STATUS`, `STREAM_STATUS_INFO`, `STREAM_EVENT_TYPE`). Pages compare these texts, so a
changed letter is a changed protocol.
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
        """True where the browser drops the stream and closes its peer connection."""
        return self in (StreamStatus.UNPUBLISHED, StreamStatus.STOPPED, StreamStatus.FAILED)


class StreamEventType(StrEnum):
    """What a stream event tells. The browser sends the first five; the others come only from the server."""

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


class StreamInfo(StrEnum):
    """Why a stream is in its status: the SDK's `STREAM_STATUS_INFO`. Pages show and compare these texts.

    `SERVER_IS_OVERLOADED` is ours: the SDK passes on any text.
    """

    FAILED_BY_ICE_ERROR = "Failed by ICE error"
    FAILED_BY_ICE_TIMEOUT = "Failed by ICE timeout"
    FAILED_BY_KEEP_ALIVE = "Failed by ICE keep alive"
    FAILED_BY_DTLS_FINGERPRINT_ERROR = "Failed by DTLS fingerprint error"
    FAILED_BY_DTLS_ERROR = "Failed by DTLS error"
    FAILED_BY_HLS_WRITER_ERROR = "Failed by HLS writer error"
    FAILED_BY_RTMP_WRITER_ERROR = "Failed by RTMP writer error"
    FAILED_BY_RTP_ACTIVITY = "Failed by RTP activity"
    STOPPED_BY_SESSION_DISCONNECT = "Stopped by session disconnect"
    STOPPED_BY_REST_TERMINATE = "Stopped by rest /terminate"
    STOPPED_BY_PUBLISHER_STOP = "Stopped by publisher stop"
    STOPPED_BY_USER = "Stopped by user"
    FAILED_BY_ERROR = "Failed by error"
    FAILED_TO_ADD_STREAM_TO_PROXY = "Failed to add stream to proxy"
    DISTRIBUTOR_STOPPED = "Distributor stopped"
    PUBLISH_STREAM_IS_NOT_READY = "Publish stream is not ready"
    STREAM_NOT_FOUND = "Stream not found"
    STREAM_NAME_ALREADY_IN_USE = "Stream name is already in use"
    MEDIASESSION_ID_NULL = "MediaSessionId is null"
    MEDIASESSION_ID_ALREADY_IN_USE = "MediaSessionId is already in use"
    SESSION_NOT_READY = "Session not ready"
    SESSION_DOES_NOT_EXIST = "Session does not exist"
    RTSP_HAS_WRONG_FORMAT = "Rtsp has wrong format"
    FILE_HAS_WRONG_FORMAT = "File has wrong format"
    FAILED_TO_CONNECT_TO_RTSP_STREAM = "Failed to connect to rtsp stream"
    RTSP_STREAM_NOT_FOUND = "Rtsp stream not found"
    RTSPAGENT_SHUTDOWN = "RtspAgent shutdown"
    STREAM_FAILED = "Stream failed"
    NO_COMMON_CODECS = "No common codecs"
    BAD_URI = "Bad URI"
    GOT_EXCEPTION_WHILE_STREAMING_FILE = "Got exception while streaming file"
    REQUESTED_STREAM_SHUTDOWN = "Requested stream shutdown"
    FAILED_TO_READ_FILE = "Failed to read file"
    FILE_NOT_FOUND = "File not found"
    FAILED_TO_CONNECT_TO_ORIGIN_STREAM = "Failed to connect to origin stream"
    CDN_STREAM_NOT_FOUND = "CDN stream not found"
    AGENT_SERVICING_ORIGIN_STREAM_IS_SHUTTING_DOWN = "Agent servicing origin stream is shutting down"
    FAILED_TO_GET_AGENT_STORAGE = "Failed to get agent storage"
    TERMINATED_BY_KEEP_ALIVE = "Terminated by keep-alive"
    TRANSCODING_REQUIRED_BUT_DISABLED = "Transcoding required, but disabled"
    NO_AVAILABLE_TRANSCODERS = "No available transcoders"
    RESTRICTED_ACCESS = "Restricted access"
    SERVER_IS_OVERLOADED = "Server is overloaded"
