"""Frames that a client sends, decoded: one class for each message of the WebSDK.

Every class carries `message`, the wire name, and `notes`: what the decoder ignored (such as a field of a wrong type),
each as `reason @ $.data[0].field`, without the value. Fields with a default are optional on the wire, and null means
absent. Fields that hold secrets or whole SDPs stay out of `repr`, so that a frame can be logged.
"""

from typing import Annotated, Any, ClassVar

from attrs import field, frozen

from protocol.common.json_decoding import DECISIVE, LOCAL, AlsoNumber, Count, Length
from protocol.stream.statuses import StreamEventType

ID_LIMIT = 256
NAME_LIMIT = 4096
"""Longest identifier and stream name accepted, in characters: ids are UUIDs, a name may be a URI with a token."""

SDP_LIMIT = 65_536
"""Longest SDP accepted, in characters: the limit of `protocol.webrtc.offer`. A browser's has 7,000."""

Identifier = Annotated[str, Length(1, ID_LIMIT), AlsoNumber()]
Name = Annotated[str, Length(0, NAME_LIMIT), AlsoNumber()]
FilledName = Annotated[str, Length(1, NAME_LIMIT), AlsoNumber()]
Key = Annotated[str, Length(0, ID_LIMIT), AlsoNumber()]
Word = Annotated[str, Length(0, ID_LIMIT)]
Line = Annotated[str, Length(0, NAME_LIMIT)]
Sdp = Annotated[str, Length(1, SDP_LIMIT)]


@frozen(kw_only=True)
class ClientMessage:
    """What all client frames share."""

    notes: tuple[str, ...] = field(default=(), metadata=LOCAL)


@frozen(kw_only=True)
class Connection(ClientMessage):
    """`connection`, the first frame: who the client is. `raw` is the object as sent, to be echoed."""

    message: ClassVar[str] = "connection"

    app_key: Key = field(default="defaultApp", metadata=DECISIVE)
    media_providers: tuple[Word, ...] = ()
    client_version: Word = ""
    client_os_version: Line = ""
    client_browser_version: Line = ""
    mse_packetization_version: int | None = None
    keep_alive: bool | None = None
    auth_token: str | None = field(default=None, repr=False)
    custom: Any = field(default=None, repr=False)
    client_info: Any = field(default=None, repr=False)
    sip_login: str | None = field(default=None, repr=False)
    sip_authentication_name: str | None = field(default=None, repr=False)
    sip_password: str | None = field(default=None, repr=False)
    sip_domain: Line | None = None
    sip_outbound_proxy: Line | None = None
    sip_proxy: Line | None = None
    sip_port: Count | None = None
    sip_register_required: bool | None = None
    raw: dict[str, Any] = field(factory=dict, repr=False, metadata=LOCAL)

    def outline(self) -> "Connection":
        """The small part of it that is still shown after it was answered."""
        return Connection(
            app_key=self.app_key,
            media_providers=self.media_providers,
            client_version=self.client_version,
            client_os_version=self.client_os_version,
            client_browser_version=self.client_browser_version,
        )


@frozen(kw_only=True)
class Ping(ClientMessage):
    """`ping`: sent only by pages that set `pingInterval`; answer `pong`."""

    message: ClassVar[str] = "ping"


@frozen(kw_only=True)
class Pong(ClientMessage):
    """`pong`: the answer to the server's ping."""

    message: ClassVar[str] = "pong"


@frozen(kw_only=True)
class StartRequest(ClientMessage):
    """What `publishStream` and `playStream` have in common.

    Bitrates are kbps, 0 = unset. `has_video` and `has_audio` of a play request are always true, even for an
    audio-only play: the SDP decides. `custom` is any JSON.
    """

    media_session_id: Identifier
    name: Name
    sdp: Sdp = field(repr=False)
    has_video: bool = True
    has_audio: bool = True
    status: Word = "PENDING"
    record: bool = False
    media_provider: Word = field(default="WebRTC", metadata=DECISIVE)
    bitrate: Count = 0
    min_bitrate: Count = 0
    max_bitrate: Count = 0
    width: Count = 0
    height: Count = 0
    quality: Count = 0
    custom: Any = field(default=None, repr=False)
    transport: Word | None = None
    rtmp_url: Line | None = field(default=None, repr=False)
    cvo_extension: bool = False


@frozen(kw_only=True)
class PublishStream(StartRequest):
    """`publishStream`: take my media under `name`, which must not be empty."""

    message: ClassVar[str] = "publishStream"
    published: ClassVar[bool] = True

    name: FilledName


@frozen(kw_only=True)
class PlayStream(StartRequest):
    """`playStream`: give me the stream `name`. Width, height and quality are 0 for "as the source is"."""

    message: ClassVar[str] = "playStream"
    published: ClassVar[bool] = False


@frozen(kw_only=True)
class StopRequest(ClientMessage):
    """The owner ends a media session; only the field `media_session_id` matters."""

    media_session_id: Identifier
    name: Name = ""


@frozen(kw_only=True)
class UnPublishStream(StopRequest):
    """`unPublishStream`: I stop publishing."""

    message: ClassVar[str] = "unPublishStream"


@frozen(kw_only=True)
class StopStream(StopRequest):
    """`stopStream`: I stop playing."""

    message: ClassVar[str] = "stopStream"


@frozen(kw_only=True)
class AvailableStream(ClientMessage):
    """`availableStream`: can `name` be played? The id is temporary; only the answer uses it."""

    message: ClassVar[str] = "availableStream"

    media_session_id: Identifier
    name: Name


@frozen(kw_only=True)
class Snapshot(ClientMessage):
    """`snapshot`: a picture of the stream `name`, to be sent to `media_session_id`, often not a live session."""

    message: ClassVar[str] = "snapshot"

    media_session_id: Identifier
    name: Name


@frozen(kw_only=True)
class SendStreamEvent(ClientMessage):
    """`sendStreamEvent`: a publisher's mute state or data for its players. `type` may be any known type;
    only those with `is_from_publisher` may be passed on."""

    message: ClassVar[str] = "sendStreamEvent"

    media_session_id: Identifier
    type: StreamEventType
    payload: Any = field(default=None, repr=False)


@frozen(kw_only=True)
class SendData(ClientMessage):
    """`sendData`: any JSON for the application; answered by `DataStatusEvent` with the same operation id."""

    message: ClassVar[str] = "sendData"

    operation_id: Identifier
    payload: Any = field(default=None, repr=False)


@frozen(kw_only=True)
class DataStatusAck(ClientMessage):
    """`DataStatusEvent` from a client: old SDKs confirm `OnDataEvent` with it. No answer."""

    message: ClassVar[str] = "DataStatusEvent"

    operation_id: Word = ""
    status: Word = ""
    info: Word = ""


@frozen(kw_only=True)
class PushLogs(ClientMessage):
    """`pushLogs`: lines of the page's log. No answer."""

    message: ClassVar[str] = "pushLogs"

    logs: str = field(default="", repr=False)


@frozen(kw_only=True)
class SessionDebug(ClientMessage):
    """`sessionDebug`: `command` is "start" or "stop"; answered by `notifySessionDebugEvent`."""

    message: ClassVar[str] = "sessionDebug"

    command: Word = ""


@frozen(kw_only=True)
class SubmitBugReport(ClientMessage):
    """`submitBugReport`: the page's own object, as sent. No answer."""

    message: ClassVar[str] = "submitBugReport"

    report: Any = field(default=None, repr=False, metadata=LOCAL)


@frozen(kw_only=True)
class ConnectMediaTransport(ClientMessage):
    """`connectMediaTransport`: first frame of a second socket, for MSE and WSPlayer media."""

    message: ClassVar[str] = "connectMediaTransport"

    auth_token: str = field(default="", repr=False)


@frozen(kw_only=True)
class SipRequest(ClientMessage):
    """Any SIP frame (`call`, `answer`, `hangup`, `hold`, `unhold`, `sendDtmf`, `transfer`).

    `sdp`, `has_video` and `custom` come with `call` and `answer`; `callee`, `caller`, `visible_name` and `to_stream`
    with `call`; `type` and `dtmf` with `sendDtmf`; `target` with `transfer`.
    """

    message: str = field(default="", metadata=LOCAL)
    call_id: Identifier
    sdp: Annotated[str, Length(0, SDP_LIMIT)] = field(default="", repr=False)
    has_video: bool = False
    has_audio: bool = True
    media_provider: Word = field(default="WebRTC", metadata=DECISIVE)
    callee: Name = field(default="", metadata=DECISIVE)
    caller: Name = ""
    visible_name: Line = ""
    custom: Any = field(default=None, repr=False)
    type: Word = "RFC2833"
    dtmf: Key = field(default="", repr=False)
    target: Name = field(default="", metadata=DECISIVE)
    hold_for_transfer: bool = False
    to_stream: Name = field(default="", metadata=DECISIVE)


@frozen(kw_only=True)
class UnknownFrame(ClientMessage):
    """A well-formed frame whose `message` the server does not know. The name is cut to 64 characters."""

    message: str


ClientFrame = (
    Connection
    | Ping
    | Pong
    | PublishStream
    | PlayStream
    | UnPublishStream
    | StopStream
    | AvailableStream
    | Snapshot
    | SendStreamEvent
    | SendData
    | DataStatusAck
    | PushLogs
    | SessionDebug
    | SubmitBugReport
    | ConnectMediaTransport
    | SipRequest
    | UnknownFrame
)
