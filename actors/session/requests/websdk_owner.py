"""A session as the owner of its streams: turns what they report into frames of the WebSDK."""

from collections.abc import Callable

from attrs import frozen

from actors.hooks.lanes.lane import HookLane
from actors.session.socket.writing import FrameWriter
from protocol.access.kicks import Subject
from protocol.hooks import HookContext, HookMethod
from protocol.signaling.frames import Fail, NotifyStreamStatusEvent, ServerFrame, SetRemoteSDP
from protocol.signaling.shared_event import SharedEvent
from protocol.signaling.stream_forms import status_text
from protocol.stream.events import StreamEvent
from protocol.stream.status_notice import StatusNotice


@frozen(kw_only=True)
class SessionOwner:
    """One session, as `actors.stream.owner.StreamOwner`."""

    context: HookContext
    subject: Subject
    lane: HookLane
    writer: FrameWriter
    ended: Callable[[str], None]
    """The stream of this id is over."""

    def send(self, frame: ServerFrame) -> None:
        """Send a frame to the client; never waits, never fails."""
        self.writer.send(frame)

    def answer(self, media_session_id: str, sdp: str) -> None:
        self.send(SetRemoteSDP(media_session_id=media_session_id, sdp=sdp))

    def status(self, notice: StatusNotice) -> None:
        try:
            text = status_text(notice)
        except (ValueError, RecursionError) as error:  # a backend may have inserted something that cannot be encoded
            self.writer.unwritable(NotifyStreamStatusEvent.message, error)
            return
        self.writer.send_text(text)

    def event(self, media_session_id: str, event: StreamEvent) -> None:
        try:
            shared = event.form(SharedEvent)
        except (ValueError, RecursionError) as error:  # a backend may have inserted something that cannot be encoded
            self.writer.unwritable("notifyStreamEvent", error)
            return
        for text in shared.addressed_to(media_session_id):
            if event.tally is None:
                self.writer.send_text(text)
            else:
                event.tally.count(sent=self.writer.offer_text(text))

    def warn(self, media_session_id: str, method: HookMethod, info: str) -> None:
        """The ErrorEvent of the WCS pages: without `apiMethod`, so that the SDK does not take it for a status."""
        self.send(Fail(info=info, extra={"method": str(method), "mediaSessionId": media_session_id}))

    def stop_refused(self, media_session_id: str, method: HookMethod, info: str) -> None:
        self.send(Fail(api_method=str(method), info=info))
