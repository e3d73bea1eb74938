"""Frames that the server sends: one class for each message, and its shape on the wire.

A frame on the wire is `{"message": message, "data": wire_data()}`. Most frames carry one object, whose keys are the
camelCase names of the fields that are not None. `data` must always be present: the SDK's handler throws without it.
Each message names its identifier differently (`mediaSessionId`, `id`, `callId`, or just the first element), so no other
module writes wire names.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from attrs import field, frozen

from protocol.calls.statuses import CallStatus
from protocol.signaling.call_frames import (
    FinishCall,
    Hold,
    NotifyIncomingCall,
    NotifyTransferEvent,
    NotifyTryingResponse,
    Ring,
    Talk,
)
from protocol.signaling.client_frames import Connection
from protocol.signaling.server_message import ServerMessage
from protocol.signaling.session_statuses import DataStatus, SessionStatus
from protocol.stream.statuses import StreamEventType, StreamStatus

NOT_ECHOED = frozenset({"custom", "noticationToken", "notificationToken", "sipPassword"})
"""What `getUserData` does not repeat: the page's own data, tokens for push messages (the iOS SDK spells it so), and the
password of its SIP account.
"""


@frozen(kw_only=True)
class GetUserData(ServerMessage):
    """`getUserData`: the session is established. `data` echoes the connection object, with the server's additions."""

    message: ClassVar[str] = "getUserData"

    data: Mapping[str, Any] = field(repr=False)

    @classmethod
    def echo(cls, connection: Connection, *, auth_token: str) -> "GetUserData":
        """The answer to `connection`: its object without NOT_ECHOED, then the token and the status."""
        echoed = {key: value for key, value in connection.raw.items() if key not in NOT_ECHOED}
        added = {"authToken": auth_token, "status": SessionStatus.ESTABLISHED}
        return cls(data=echoed | added)

    def wire_data(self) -> list[Any]:
        return [dict(self.data)]


@frozen(kw_only=True)
class GetVersion(ServerMessage):
    """`getVersion`: the server's version, for the mobile SDKs, which read it as `5.2.<build>...`."""

    message: ClassVar[str] = "getVersion"

    version: str

    def wire_data(self) -> list[Any]:
        return [self.version]


@frozen(kw_only=True)
class PingFrame(ServerMessage):
    """`ping`: the client answers `pong` at once."""

    message: ClassVar[str] = "ping"

    def wire_data(self) -> list[Any]:
        return [None]


@frozen(kw_only=True)
class PongFrame(ServerMessage):
    """`pong`: the answer to a client's ping. The WebSDK does not need it, other clients may."""

    message: ClassVar[str] = "pong"

    def wire_data(self) -> list[Any]:
        return [None]


@frozen(kw_only=True)
class SetRemoteSDP(ServerMessage):
    """`setRemoteSDP`: exactly one for each media session; the browser never answers a second one.

    `is_initiator` is true for the answer to a client's offer; the mobile SDKs fail without it.
    """

    message: ClassVar[str] = "setRemoteSDP"

    media_session_id: str
    sdp: str = field(repr=False)
    is_initiator: bool = True

    def wire_data(self) -> list[Any]:
        return [self.media_session_id, self.sdp, self.is_initiator]


@frozen(kw_only=True)
class NotifyStreamStatusEvent(ServerMessage):
    """`notifyStreamStatusEvent`: the only frame that changes a stream's status in the browser.

    `media_session_id` and `status` are always sent; other fields only when they are not None. Bitrates are kbps.
    `record_name` belongs to the end of a recorded stream. `audio_muted` and `video_muted` tell a player that joins
    late. `overwrite` holds wire fields that the backend replaced (None removes one), `exclude` wire names that
    `clientExclude` hides; neither touches `mediaSessionId` and `status`.
    """

    message: ClassVar[str] = "notifyStreamStatusEvent"

    media_session_id: str
    status: StreamStatus
    info: str | None = None
    name: str | None = None
    published: bool | None = None
    has_video: bool | None = None
    has_audio: bool | None = None
    record: bool | None = None
    record_name: str | None = None
    media_provider: str | None = None
    bitrate: int | None = None
    min_bitrate: int | None = None
    max_bitrate: int | None = None
    width: int | None = None
    height: int | None = None
    quality: int | None = None
    audio_muted: bool | None = None
    video_muted: bool | None = None
    transport: str | None = None
    cvo_extension: bool | None = None
    node_id: str | None = None
    app_key: str | None = None
    session_id: str | None = None
    exclude: frozenset[str] = frozenset()
    overwrite: Mapping[str, Any] = field(factory=dict, repr=False)

    def wire_data(self) -> list[Any]:
        values = {wire: getattr(self, name) for name, wire in self.wire_names}
        del values["exclude"], values["overwrite"]
        values["audioState"] = _muted(values.pop("audioMuted"))
        values["videoState"] = _muted(values.pop("videoMuted"))
        values |= self.overwrite
        kept = {wire: value for wire, value in values.items() if value is not None and wire not in self.exclude}
        return [kept | {"mediaSessionId": self.media_session_id, "status": self.status}]


def _muted(muted: bool | None) -> dict[str, bool] | None:
    return None if muted is None else {"muted": muted}


@frozen(kw_only=True)
class AvailableStreamAnswer(ServerMessage):
    """`availableStream`: the answer; `info` is the reason (the text for getInfo()), empty when available."""

    message: ClassVar[str] = "availableStream"

    media_session_id: str
    available: bool
    info: str = ""

    def wire_data(self) -> list[Any]:
        # The SDK compares with the string "true": a boolean would read as unavailable.
        return [{"id": self.media_session_id, "status": "true" if self.available else "false", "info": self.info}]


@frozen(kw_only=True)
class DataStatusEvent(ServerMessage):
    """`DataStatusEvent`: the outcome of a `sendData`. The SDK hands the page all of it but the id.

    `payload` is what a backend has made of the page's own; None if it left it alone.
    """

    message: ClassVar[str] = "DataStatusEvent"

    operation_id: str
    status: DataStatus
    info: str | None = None
    payload: Any = field(default=None, repr=False)


@frozen(kw_only=True)
class OnDataEvent(ServerMessage):
    """`OnDataEvent`: data for the page's APP_DATA callback. `payload` is any JSON, null included."""

    message: ClassVar[str] = "OnDataEvent"

    operation_id: str | None = None
    payload: Any = field(repr=False)

    def wire_data(self) -> list[Any]:
        head = {} if self.operation_id is None else {"operationId": self.operation_id}
        return [head | {"payload": self.payload}]


@frozen(kw_only=True)
class NotifyStreamEvent(ServerMessage):
    """`notifyStreamEvent`: an event of a stream, addressed to the receiver's own media session."""

    message: ClassVar[str] = "notifyStreamEvent"

    media_session_id: str
    type: StreamEventType
    payload: Any = field(default=None, repr=False)


@frozen(kw_only=True)
class NotifyVideoFormat(ServerMessage):
    """`notifyVideoFormat`: the size of a player's picture, for SDKs from before June 2022.

    The SDK treats it as a status frame; without `status` it would clear the stream's status.
    """

    message: ClassVar[str] = "notifyVideoFormat"

    media_session_id: str
    status: StreamStatus = StreamStatus.RESIZE
    streamer_video_width: int
    streamer_video_height: int
    player_video_width: int
    player_video_height: int


@frozen(kw_only=True)
class InboundVideoRate(ServerMessage):
    """`inboundVideoRate`: how much video of a publication the server receives, in bit/s. Once a second.

    The SDK compares it with what the browser has sent since the frame before, and tells the page CONNECTION_QUALITY.
    """

    message: ClassVar[str] = "inboundVideoRate"

    media_session_id: str
    video_rate: int


@frozen(kw_only=True)
class OutboundVideoRate(ServerMessage):
    """`outboundVideoRate`: the same of a playback: how much the server sends."""

    message: ClassVar[str] = "outboundVideoRate"

    media_session_id: str
    video_rate: int


VideoRate = InboundVideoRate | OutboundVideoRate


@frozen(kw_only=True)
class Fail(ServerMessage):
    """`fail`: the session's WARN callback. `api_method` names the call that failed; None for a hook's ErrorEvent.

    With `api_method="StreamStatusEvent"` and a live media session's `id` the SDK also treats it as a status frame.
    `extra` holds further wire fields.
    """

    message: ClassVar[str] = "fail"

    api_method: str | None = None
    id: str | None = None
    status: str | None = None
    info: str | None = None
    extra: Mapping[str, Any] = field(factory=dict, repr=False)

    def wire_data(self) -> list[Any]:
        named = {"apiMethod": self.api_method, "id": self.id, "status": self.status, "info": self.info}
        return [dict(self.extra) | {wire: value for wire, value in named.items() if value is not None}]


@frozen(kw_only=True)
class NotifySessionDebugEvent(ServerMessage):
    """`notifySessionDebugEvent`: the answer to `sessionDebug`; the page links `file` when there is one."""

    message: ClassVar[str] = "notifySessionDebugEvent"

    status: str
    file: str | None = None


@frozen(kw_only=True)
class Finish(ServerMessage):
    """`finish`: the end of a SIP call; FAILED is the answer of a server without SIP."""

    message: ClassVar[str] = "finish"

    call_id: str
    status: CallStatus = CallStatus.FAILED
    info: str | None = None


@frozen(kw_only=True)
class Registered(ServerMessage):
    """`registered`: the SIP server knows the page's account."""

    message: ClassVar[str] = "registered"

    sip_login: str
    status: SessionStatus = SessionStatus.REGISTERED


ServerFrame = (
    GetUserData
    | GetVersion
    | PingFrame
    | PongFrame
    | SetRemoteSDP
    | NotifyStreamStatusEvent
    | AvailableStreamAnswer
    | DataStatusEvent
    | OnDataEvent
    | NotifyStreamEvent
    | NotifyVideoFormat
    | InboundVideoRate
    | OutboundVideoRate
    | Fail
    | NotifySessionDebugEvent
    | Finish
    | Registered
    | NotifyTryingResponse
    | Ring
    | Talk
    | Hold
    | FinishCall
    | NotifyIncomingCall
    | NotifyTransferEvent
)
