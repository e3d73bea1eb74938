"""The REST methods of the streaming side (WCS pages "Four types of REST methods" and "Stream event passing")."""

from enum import Enum, StrEnum


class HookKind(Enum):
    """What the backend can do about a hook (WCS: the type of the REST method)."""

    CONNECT = "connect"
    """Type 1: lets a client in. Any failure turns it away, whatever the policy says."""
    DIRECT = "direct"
    """Type 2: a client asks for something; the backend may deny it, if its policy says `FAIL`."""
    EVENT = "event"
    """Type 3: something has happened; the backend is told."""


class HookMethod(StrEnum):
    """Every hook that this server can send. The value is the last segment of the URL, case-sensitive."""

    CONNECT = "connect"
    CONNECTION_STATUS_EVENT = "ConnectionStatusEvent"
    PUBLISH_STREAM = "publishStream"
    PLAY_STREAM = "playStream"
    PLAY_RTSP = "playRTSP"
    UN_PUBLISH_STREAM = "unPublishStream"
    STOP_STREAM = "stopStream"
    SNAPSHOT = "snapshot"
    STREAM_STATUS_EVENT = "StreamStatusEvent"
    STREAM_KEEP_ALIVE_EVENT = "StreamKeepAliveEvent"
    SEND_STREAM_EVENT = "sendStreamEvent"
    STREAM_EVENT = "StreamEvent"
    ON_DATA_EVENT = "OnDataEvent"
    DATA_STATUS_EVENT = "DataStatusEvent"
    SESSION_DEBUG = "sessionDebug"
    SUBMIT_BUG_REPORT = "submitBugReport"
    PUSH_LOGS = "pushLogs"
    RECORDING_STATUS_EVENT = "RecordingStatusEvent"
    SERVER_STATUS_EVENT = "ServerStatusEvent"
    CALL = "call"
    ANSWER = "answer"
    HANGUP = "hangup"
    HOLD = "hold"
    UNHOLD = "unhold"
    SEND_DTMF = "sendDtmf"
    TRANSFER = "transfer"
    TRANSFER_STATUS_EVENT = "TransferStatusEvent"
    ON_CALL_EVENT = "OnCallEvent"
    ON_TRANSFER_EVENT = "OnTransferEvent"
    CALL_STATUS_EVENT = "CallStatusEvent"
    REGISTRATION_STATUS_EVENT = "RegistrationStatusEvent"

    @property
    def kind(self) -> HookKind:
        """How the backend's answer counts. `OnDataEvent`, `OnCallEvent`, `OnTransferEvent` are direct."""
        if self is HookMethod.CONNECT:
            return HookKind.CONNECT
        return HookKind.EVENT if self in _EVENTS else HookKind.DIRECT

    @property
    def is_question(self) -> bool:
        """Whether the backend may say no. To any other hook, an answer of 401 or 403 is a failure."""
        return self.kind is not HookKind.EVENT or self is HookMethod.STREAM_KEEP_ALIVE_EVENT

    @property
    def concerns_stream(self) -> bool:
        """Whether its body names one stream by `mediaSessionId`."""
        return self in _OF_STREAMS


_OF_STREAMS = frozenset(
    {
        HookMethod.PUBLISH_STREAM,
        HookMethod.PLAY_STREAM,
        HookMethod.PLAY_RTSP,
        HookMethod.UN_PUBLISH_STREAM,
        HookMethod.STOP_STREAM,
        HookMethod.SNAPSHOT,
        HookMethod.STREAM_STATUS_EVENT,
        HookMethod.STREAM_KEEP_ALIVE_EVENT,
        HookMethod.SEND_STREAM_EVENT,
        HookMethod.STREAM_EVENT,
        HookMethod.RECORDING_STATUS_EVENT,
    }
)

_EVENTS = frozenset(
    {
        HookMethod.CONNECTION_STATUS_EVENT,
        HookMethod.STREAM_STATUS_EVENT,
        HookMethod.STREAM_KEEP_ALIVE_EVENT,
        HookMethod.STREAM_EVENT,
        HookMethod.DATA_STATUS_EVENT,
        HookMethod.RECORDING_STATUS_EVENT,
        HookMethod.SERVER_STATUS_EVENT,
        HookMethod.HANGUP,
        HookMethod.CALL_STATUS_EVENT,
        HookMethod.TRANSFER_STATUS_EVENT,
        HookMethod.REGISTRATION_STATUS_EVENT,
    }
)

_UNUSED = """
sendDTMF sendMessage sendIMDN subscribe sendXcapRequest
pauseStream playHLS sendBugReport availableStream
MessageStatusEvent BugReportStatusEvent
SessionDebugStatusEvent SubscriptionStatusEvent XcapStatusEvent ErrorStatusEvent
StreamsStatEvent StreamTranscodingGroupEvent OnMessageEvent
"""

UNUSED_METHODS = frozenset(_UNUSED.split())
"""Methods of WCS that this server never sends. A backend may set policies for them, so they are not misspellings."""
