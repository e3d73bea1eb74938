"""The bodies of hooks, field for field as WCS sends them (WCS pages "Type 1", "Type 2", "Type 3").

A field without a value is absent, never null. Client data is copied field by field: a client must not be able to
smuggle in a `restClientConfig` through a backend that echoes what it gets.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from attrs import frozen

from protocol.node.descriptions import StreamDescription
from protocol.node.run_record import PreviousRun
from protocol.node.stream_object import stream_object
from protocol.stream.record_status import RecordNotice

CONNECT_FIELDS = (
    "useWsTunnel",
    "useWsTunnelPacketization2",
    "useBase64BinaryEncoding",
    "mediaProviders",
    "clientVersion",
    "clientOSVersion",
    "clientBrowserVersion",
    "msePacketizationVersion",
    "keepAlive",
    "authToken",
    "clientInfo",
    "custom",
    "sipLogin",
    "sipAuthenticationName",
    "sipPassword",
    "sipDomain",
    "sipOutboundProxy",
    "sipProxy",
    "sipPort",
    "sipRegisterRequired",
)
"""Fields of a client's `connection` frame that go to the backend."""
_ONLY_FOR_CONNECT = frozenset({"sipPassword"})
"""Secrets that no later hook repeats."""


@frozen(kw_only=True)
class HookContext:
    """Who the hook is about: the three fields of every hook."""

    node_id: str
    app_key: str
    session_id: str

    def body(self, **fields: Any) -> dict[str, Any]:
        """These three fields, and the given ones that have a value."""
        context = {"nodeId": self.node_id, "appKey": self.app_key, "sessionId": self.session_id}
        return context | {key: value for key, value in fields.items() if value is not None}


def connect_body(context: HookContext, frame: Mapping[str, Any], *, origin: str | None = None) -> dict[str, Any]:
    """`connect`: what the client said about itself in its `connection` frame, and the page's origin."""
    told = {key: frame.get(key) for key in CONNECT_FIELDS}
    tunnel = {"useWsTunnel": False, "useWsTunnelPacketization2": False, "useBase64BinaryEncoding": False}
    return context.body(
        **{key: tunnel.get(key) if value is None else value for key, value in told.items()}, origin=origin
    )


def connection_status_body(
    connected: Mapping[str, Any], *, status: str, info: str | None = None, auth_token: str | None = None
) -> dict[str, Any]:
    """`ConnectionStatusEvent`. `connected` is the body of `connect` after the backend's changes.

    With an `auth_token` (the session is established) it repeats all those fields but the SIP password; without one,
    only the context.
    """
    if auth_token is not None:
        told = {key: value for key, value in connected.items() if key not in _ONLY_FOR_CONNECT}
        return {**told, "status": status, "authToken": auth_token}
    context = {key: connected[key] for key in ("nodeId", "appKey", "sessionId")}
    return context | {"status": status} | ({} if info is None else {"info": info})


def stream_body(stream: StreamDescription, *, custom: Any = None) -> dict[str, Any]:
    """The stream object: `publishStream`, `playStream`, `StreamStatusEvent`, `StreamKeepAliveEvent`.

    `custom` is what the client sent with the stream.
    """
    optional = {"info": stream.info or None, "custom": custom}
    return stream_object(stream) | {key: value for key, value in optional.items() if value is not None}


def stream_end_body(stream: StreamDescription, *, custom: Any = None) -> dict[str, Any]:
    """`unPublishStream` and `stopStream`: what the client's frame says, without the media parameters."""
    keys = (
        "nodeId",
        "appKey",
        "sessionId",
        "mediaSessionId",
        "name",
        "published",
        "hasVideo",
        "hasAudio",
        "status",
        "record",
    )
    body = stream_body(stream, custom=custom)
    return {key: body[key] for key in (*keys, "custom") if key in body}


def snapshot_body(context: HookContext, *, name: str, media_session_id: str) -> dict[str, Any]:
    """`snapshot`: a client wants a picture of the stream `name`."""
    return context.body(mediaSessionId=media_session_id, name=name)


def stream_event_body(
    context: HookContext, *, media_session_id: str, event_type: str, payload: Any = None
) -> dict[str, Any]:
    """`sendStreamEvent` (the publisher's side) and `StreamEvent` (once for each subscriber).

    `event_type` is `audioMuted`, `audioUnmuted`, `videoMuted`, `videoUnmuted` or `data`; only `data` has a payload.
    (WCS page "Stream event passing to subscribers".)
    """
    return context.body(mediaSessionId=media_session_id, type=event_type, payload=payload)


def data_body(context: HookContext, *, operation_id: str, payload: Any) -> dict[str, Any]:
    """`OnDataEvent`: a client's `sendData`."""
    return context.body(operationId=operation_id, payload=payload)


def data_status_body(
    context: HookContext, *, operation_id: str, status: str, info: str | None = None, payload: Any = None
) -> dict[str, Any]:
    """`DataStatusEvent`: how a data exchange ended, `ACCEPTED` or `FAILED`.

    `payload` is what the backend has made of the client's payload; None if it left it alone.
    """
    return context.body(operationId=operation_id, status=status, info=info, payload=payload)


def recording_status_body(
    context: HookContext, notice: RecordNotice, *, media_session_id: str, name: str
) -> dict[str, Any]:
    """`RecordingStatusEvent`: a recording of the stream `name` begins, has finished a file, or has failed.

    WCS has a method of this name; what it sends is not documented.
    """
    return context.body(
        mediaSessionId=media_session_id,
        name=name,
        status=notice.status.value,
        fileName=notice.file_name,
        size=notice.size,
        duration=notice.duration,
        info=notice.info,
    )


class ServerStatus(StrEnum):
    """What `ServerStatusEvent` tells."""

    STARTED = "STARTED"
    STOPPING = "STOPPING"


def server_status_body(node_id: str, app_key: str, status: ServerStatus, previous: PreviousRun) -> dict[str, Any]:
    """`ServerStatusEvent`, of this server alone: WCS has no such hook, and it concerns no session.

    STARTED tells the application's streams that a crash of the run before has left open. They are over.
    """
    is_start = status is ServerStatus.STARTED
    left = [stream for stream in previous.streams if is_start and stream.app_key == app_key]
    streams = [
        {
            "sessionId": stream.session_id,
            "mediaSessionId": stream.media_session_id,
            "name": stream.name,
            "published": stream.published,
        }
        for stream in left
    ]
    return {
        "nodeId": node_id,
        "appKey": app_key,
        "status": status.value,
        "previousEnd": "crash" if previous.is_crash else "clean",
        "streams": streams,
        "truncated": is_start and previous.truncated,
    }
