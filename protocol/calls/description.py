"""A call as pages, hooks and REST are shown it: the fields of WCS's `Call`."""

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from protocol.calls.statuses import CallStatus


@frozen(kw_only=True)
class CallDescription:
    """One call at one moment. `custom` is the page's own; `sip_status` is the last response's, 0 before the first."""

    node_id: str
    app_key: str
    session_id: str
    call_id: str
    incoming: bool
    status: CallStatus
    caller: str
    callee: str
    visible_name: str = ""
    has_audio: bool = True
    has_video: bool = False
    media_provider: str = "WebRTC"
    sip_status: int = 0
    info: str = ""
    hold_for_transfer: bool = False
    custom: Any = field(default=None, repr=False)
    stream_name: str = ""
    """The stream that publishes what the phone says; empty: none."""
    create_date: int = 0
    """Milliseconds since the epoch."""


def call_object(call: CallDescription) -> dict[str, Any]:
    """The `Call` of WCS, without what is secret: SDP and SIP messages."""
    told = {
        "nodeId": call.node_id,
        "appKey": call.app_key,
        "sessionId": call.session_id,
        "callId": call.call_id,
        "incoming": call.incoming,
        "status": call.status.value,
        "sipStatus": call.sip_status or None,
        "caller": call.caller,
        "callee": call.callee,
        "visibleName": call.visible_name or None,
        "hasAudio": call.has_audio,
        "hasVideo": call.has_video,
        "mediaProvider": call.media_provider,
        "isMsrp": False,
        "holdForTransfer": call.hold_for_transfer,
        "streamName": call.stream_name or None,
        "info": call.info or None,
        "custom": call.custom,
    }
    return {key: value for key, value in told.items() if value is not None}


def stream_name_of(answered: Mapping[str, Any]) -> str:
    """The stream that a backend wants of a call, whose `Call` it has answered; empty: none."""
    name = answered.get("streamName")
    return name if isinstance(name, str) else ""
