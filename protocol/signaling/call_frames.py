"""Frames about calls that the server sends."""

from collections.abc import Mapping
from typing import Any, ClassVar

from attrs import field, frozen

from protocol.calls.statuses import TransferStatus
from protocol.signaling.server_message import ServerMessage


@frozen(kw_only=True)
class CallFrame(ServerMessage):
    """A call has a new status. The SDK takes it from `data`, whatever the message is called."""

    data: Mapping[str, Any] = field(repr=False)
    """The `Call` of WCS, as the backend may have overwritten it."""

    def wire_data(self) -> list[Any]:
        return [dict(self.data)]


@frozen(kw_only=True)
class NotifyTryingResponse(CallFrame):
    """`notifyTryingResponse`: the phone's server is being asked."""

    message: ClassVar[str] = "notifyTryingResponse"


@frozen(kw_only=True)
class Ring(CallFrame):
    """`ring`: the phone rings, or can already be heard."""

    message: ClassVar[str] = "ring"


@frozen(kw_only=True)
class Talk(CallFrame):
    """`talk`: both sides talk."""

    message: ClassVar[str] = "talk"


@frozen(kw_only=True)
class Hold(CallFrame):
    """`hold`: one side holds the call."""

    message: ClassVar[str] = "hold"


@frozen(kw_only=True)
class FinishCall(CallFrame):
    """`finish` of a call that there was."""

    message: ClassVar[str] = "finish"


@frozen(kw_only=True)
class NotifyIncomingCall(CallFrame):
    """`notifyIncomingCall`: a phone calls. Its SDP has come before, by `setRemoteSDP`, or the page could not answer."""

    message: ClassVar[str] = "notifyIncomingCall"


@frozen(kw_only=True)
class NotifyTransferEvent(ServerMessage):
    """`notifyTransferEvent`: how far a transfer is. The SDK knows COMPLETED, and throws for a call that it does not."""

    message: ClassVar[str] = "notifyTransferEvent"

    call_id: str
    status: TransferStatus
