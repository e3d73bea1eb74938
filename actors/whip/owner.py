"""A session by HTTP as the owner of its stream: most of what streams report has nobody to be told."""

from typing import Protocol

from attrs import frozen

from actors.hooks.lanes.lane import HookLane
from protocol.access.kicks import Subject
from protocol.hooks import HookContext, HookMethod
from protocol.stream.events import StreamEvent
from protocol.stream.status_notice import StatusNotice


class HttpSession(Protocol):
    """The session, as the owner sees it."""

    def stream_answered(self, sdp: str) -> None: ...
    def stream_stop_refused(self, info: str) -> None: ...
    def stream_ended(self) -> None: ...


@frozen(kw_only=True)
class WhipOwner:
    """One session, as `actors.stream.owner.StreamOwner`."""

    context: HookContext
    subject: Subject
    lane: HookLane
    session: HttpSession

    def answer(self, media_session_id: str, sdp: str) -> None:
        self.session.stream_answered(sdp)

    def status(self, notice: StatusNotice) -> None:
        """The client sees it by its media, and the backend by its hook."""

    def event(self, media_session_id: str, event: StreamEvent) -> None:
        """There is no channel for it; a count of receivers has this one as one that could not be told."""
        if event.tally is not None:
            event.tally.count(sent=False)

    def warn(self, media_session_id: str, method: HookMethod, info: str) -> None:
        """The client is not concerned."""

    def stop_refused(self, media_session_id: str, method: HookMethod, info: str) -> None:
        self.session.stream_stop_refused(info)

    def ended(self, media_session_id: str) -> None:
        self.session.stream_ended()
