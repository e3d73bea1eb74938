"""A session as the owner of its calls: turns what they report into frames of the WebSDK."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Final

from actors.session.websdk_owner import SessionOwner
from protocol.calls.description import CallDescription
from protocol.calls.statuses import CallStatus, TransferStatus
from protocol.hooks import HookMethod
from protocol.signaling.call_frames import CallFrame
from protocol.signaling.frame_codec import encode_message
from protocol.signaling.frames import (
    Fail,
    FinishCall,
    Hold,
    NotifyIncomingCall,
    NotifyTransferEvent,
    NotifyTryingResponse,
    Ring,
    ServerFrame,
    SetRemoteSDP,
    Talk,
)

_FRAMES: Final[Mapping[CallStatus, type[CallFrame]]] = {
    CallStatus.TRYING: NotifyTryingResponse,
    CallStatus.RING: Ring,
    CallStatus.RING_MEDIA: Ring,
    CallStatus.ESTABLISHED: Talk,
    CallStatus.HOLD: Hold,
    CallStatus.FINISH: FinishCall,
    CallStatus.BUSY: FinishCall,
    CallStatus.FAILED: FinishCall,
}


class PageCalls(ABC):
    """One session, as `actors.calls.owner.CallOwner`."""

    def __init__(self, owner: SessionOwner) -> None:
        self.attach(owner)

    def attach(self, owner: SessionOwner) -> None:
        """The page's session, the first one or the next."""
        self._page: SessionOwner | None = owner
        self.context, self.lane, self.subject = owner.context, owner.lane, owner.subject

    def detach(self) -> None:
        """There is no page for a while: only the backend is told."""
        self._page = None
        self.lane = self.lane.outlasting()

    def send(self, frame: ServerFrame) -> None:
        """Send a frame to the page, if it is there."""
        if self._page is not None:
            self._page.send(frame)

    def call_answered(self, call_id: str, sdp: str) -> None:
        self.send(SetRemoteSDP(media_session_id=call_id, sdp=sdp))

    def call_rings(self, call_id: str, sdp: str, shown: Mapping[str, Any]) -> None:
        """The SDP comes first: the page may answer as soon as it knows of the call.

        Its status comes again by itself: to the SDK the call is NEW until then, and would not be hung up.
        """
        self.send(SetRemoteSDP(media_session_id=call_id, sdp=sdp, is_initiator=False))
        self._send(NotifyIncomingCall(data=shown))
        self._send(Ring(data=shown))

    def call_status(self, call: CallDescription, shown: Mapping[str, Any]) -> None:
        self._send(_FRAMES[call.status](data=shown))

    def call_warning(self, call_id: str, method: HookMethod, info: str) -> None:
        """Without `apiMethod`, so that the SDK does not take it for a status."""
        self.send(Fail(info=info, extra={"method": str(method), "callId": call_id}))

    def call_transfer(self, call_id: str, status: TransferStatus) -> None:
        """Only the end of it: at any other status, the SDK keeps the call's media for the next call that arrives."""
        if status is TransferStatus.COMPLETED:
            self.send(NotifyTransferEvent(call_id=call_id, status=status))

    @abstractmethod
    def call_over(self, call_id: str) -> None:
        """The call of this id is over."""

    def _send(self, frame: CallFrame) -> None:
        if self._page is None:
            return
        try:
            text = encode_message(frame.message, frame.wire_data())
        except (ValueError, RecursionError) as error:  # a backend may have inserted something that cannot be encoded
            self._page.writer.unwritable(frame.message, error)
            return
        self._page.writer.send_text(text)
