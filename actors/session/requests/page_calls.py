"""A session as the owner of its calls: turns what they report into frames of the WebSDK."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Final

from actors.session.requests.websdk_owner import SessionOwner
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
        self._missed: list[CallFrame] = []
        self.attach(owner)

    def attach(self, owner: SessionOwner) -> None:
        """The page's session, the first one or the next."""
        self._page: SessionOwner | None = owner
        self._awaited: frozenset[str] = frozenset()
        self.context, self.lane, self.subject = owner.context, owner.lane, owner.subject

    def detach(self, known: Iterable[str]) -> None:
        """There is no page for a while: only the backend is told. `known`: the calls that the page knows of."""
        self._page, self._awaited = None, frozenset(known)
        self.lane = self.lane.outlasting()

    def tell_missed(self) -> None:
        """Tell the page which calls have ended while it was away."""
        missed, self._missed = self._missed, []
        for frame in missed:
            self._send(frame)

    def send(self, frame: ServerFrame) -> None:
        """Send a frame to the page, if it is there."""
        if self._page is not None:
            self._page.send(frame)

    @property
    def is_away(self) -> bool:
        return self._page is None

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
        frame = _FRAMES[call.status](data=shown)
        if call.status.is_last and call.call_id in self._awaited:
            self._missed.append(frame)
        else:
            self._send(frame)

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
