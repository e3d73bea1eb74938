"""Decodes WebSocket text into client frames, and encodes server frames as text.

Decoding tolerates harmless mistakes of the client: it ignores missing `data`, and, with a note, unknown fields and
fields of a wrong type; but never a field that identifies someone or something, or that decides what happens. When a
frame cannot be served, `FrameError` carries the frame to send back, so that no request stays unanswered: a page could
not even stop a stream whose request got no answer.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs

from protocol.common.errors import ProtocolError
from protocol.common.json_bounds import MAX_ELEMENTS
from protocol.common.json_decoding import (
    MAX_FAULTS,
    DecodeError,
    Decoder,
    Fault,
    FieldError,
    Path,
    parse_json,
    read_name,
)
from protocol.common.json_text import compact_encoder
from protocol.common.memory_budget import weigh
from protocol.signaling.client_frames import ID_LIMIT
from protocol.signaling.frames import (
    AvailableStream,
    AvailableStreamAnswer,
    ClientFrame,
    Connection,
    ConnectMediaTransport,
    DataStatusAck,
    Fail,
    NotifyStreamEvent,
    NotifyStreamStatusEvent,
    Ping,
    PlayStream,
    Pong,
    PublishStream,
    PushLogs,
    SendData,
    SendStreamEvent,
    ServerFrame,
    SessionDebug,
    SipRequest,
    Snapshot,
    StopStream,
    SubmitBugReport,
    UnknownFrame,
    UnPublishStream,
)
from protocol.stream.info_texts import StreamInfo
from protocol.stream.statuses import StreamEventType, StreamStatus

MESSAGE_LIMIT: Final = 64
"""How many characters of an unknown message's name are kept."""

_BODY: Final[Path] = ("data", 0)

_CLASSES: Final[Mapping[str, type[ClientFrame]]] = {
    cls.message: cls
    for cls in (
        AvailableStream,
        ConnectMediaTransport,
        Connection,
        DataStatusAck,
        Ping,
        PlayStream,
        Pong,
        PublishStream,
        PushLogs,
        SendData,
        SendStreamEvent,
        SessionDebug,
        Snapshot,
        StopStream,
        SubmitBugReport,
        UnPublishStream,
    )
} | dict.fromkeys(("call", "answer", "hangup", "hold", "unhold", "sendDtmf", "transfer"), SipRequest)

_DECODER: Final = Decoder()


class FrameError(ProtocolError):
    """A text that is not a frame, or a frame that cannot be served.

    `frame` is the message's name, empty when the text has none; `media_session_id` is the usable id in it, or empty.
    `answer` is what to send to the client: for a publish or play request with an id, the status FAILED; for
    `availableStream` and `snapshot` with an id, their own answer; otherwise `fail`, which the page sees as a warning.
    A session with a live media session of that id always sends `fail`, because the status FAILED would make the
    browser drop the live one.
    """

    def __init__(self, fault: Fault, *, frame: str = "", body: Mapping[str, Any] = MappingProxyType({})) -> None:
        super().__init__(f"{frame or 'frame'}: {fault}")
        self.frame = frame
        self.media_session_id = _identifier(body, "mediaSessionId")
        lacks_id = fault.missing and fault.path == (*_BODY, "mediaSessionId")
        self.fail = Fail(
            api_method=frame or None,
            id=self.media_session_id or _identifier(body, "callId") or None,
            status="FAILED",
            info=StreamInfo.MEDIASESSION_ID_NULL if lacks_id else self.message,
        )
        self.answer: ServerFrame = _own_answer(frame, self.media_session_id, fault, self.message) or self.fail


def _own_answer(frame: str, media_session_id: str, fault: Fault, text: str) -> ServerFrame | None:
    """The request's own kind of answer, if it has one and an id to address it to."""
    if not media_session_id:
        return None
    match frame:
        case "publishStream" | "playStream":
            bad_sdp = fault.path == (*_BODY, "sdp")
            info = StreamInfo.FAILED_TO_ADD_STREAM_TO_PROXY if bad_sdp else StreamInfo.FAILED_BY_ERROR
            return NotifyStreamStatusEvent(media_session_id=media_session_id, status=StreamStatus.FAILED, info=info)
        case "availableStream":
            return AvailableStreamAnswer(media_session_id=media_session_id, available=False, info=text)
        case "snapshot":
            failed = StreamEventType.SNAPSHOT_FAILED
            return NotifyStreamEvent(media_session_id=media_session_id, type=failed, payload={"info": text})
    return None


def _identifier(body: Mapping[str, Any], key: str) -> str:
    try:
        value = read_name(body.get(key))
    except FieldError:
        return ""
    return value if len(value) <= ID_LIMIT else ""


def decode(text: str, *, max_elements: int = MAX_ELEMENTS) -> ClientFrame:
    """The client frame in `text`, or FrameError. An unknown message gives UnknownFrame, not an error.

    At most `max_elements` values and keys are taken.
    """
    try:
        frame = parse_json(text, max_elements=max_elements)
    except DecodeError as error:
        raise FrameError(error.faults[0]) from None
    if not isinstance(frame, dict):
        raise FrameError(Fault(path=(), reason="expected an object"))
    message = frame.get("message")
    if message is None:
        raise FrameError(Fault(path=("message",), reason="required field missing", missing=True))
    if not isinstance(message, str):
        raise FrameError(Fault(path=("message",), reason="expected a string"))
    cls = _CLASSES.get(message)
    return _structure(message, cls, frame.get("data")) if cls else UnknownFrame(message=message[:MESSAGE_LIMIT])


def _structure(message: str, cls: type[ClientFrame], data: Any) -> ClientFrame:
    body, shape_faults = _first_object(data)
    try:
        frame, faults = _DECODER.structure_tolerantly(body, cls, path=_BODY)
    except DecodeError as error:
        raise FrameError(error.faults[0], frame=message, body=body) from None
    frame = _with_local_fields(frame, message, body)
    notes = (*shape_faults, *faults)[:MAX_FAULTS]
    return attrs.evolve(frame, notes=tuple(f"{message}: {fault}" for fault in notes)) if notes else frame


def _first_object(data: Any) -> tuple[dict[str, Any], list[Fault]]:
    """`data[0]`; empty for missing `data`, `[]` and `[null]`, which ping, pong and the media sockets send."""
    match data:
        case None | [] | [None, *_]:
            return {}, []
        case [dict() as body, *_]:
            return body, []
        case [*_]:
            return {}, [Fault(path=_BODY, reason="expected an object")]
    return {}, [Fault(path=("data",), reason="expected an array")]


def weigh_frame(frame: ClientFrame | FrameError) -> int:
    """Roughly how many bytes a decoded frame takes in memory."""
    match frame:
        case FrameError():
            return weigh(frame.message)
        case Connection():
            return weigh(frame.raw)  # its fields are the same objects
    return weigh([getattr(frame, field.name) for field in attrs.fields(type(frame))])


def _with_local_fields(frame: ClientFrame, message: str, body: dict[str, Any]) -> ClientFrame:
    """`frame` with the parts that are not fields of the wire object: the object itself, or the message's name."""
    match frame:
        case Connection():
            return attrs.evolve(frame, raw=body)
        case SubmitBugReport():
            return attrs.evolve(frame, report=body)
        case SipRequest():
            return attrs.evolve(frame, message=message)
    return frame


_to_json: Final = compact_encoder(allow_nan=False)


def encode(frame: ServerFrame) -> str:
    """`frame` as text for the WebSocket.

    The text is pure ASCII: strings from a backend may hold lone surrogates, which no UTF-8 encoder accepts.
    """
    return encode_message(frame.message, frame.wire_data())


def encode_message(message: str, data: list[Any]) -> str:
    """Any message as text, for frames that have no class. ValueError for NaN and infinities: they are not JSON."""
    return _to_json({"message": message, "data": data})
