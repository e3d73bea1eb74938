"""An owner of streams that is no WebSDK session: it has no socket and no frames, and notes what it is told as it is."""

from typing import Any, TypeVar

import trio
from attrs import define, field

from actors.runtime.actor import StopReason
from actors.stream import PlayedStream, PublishedStream, Stream, start_stream
from protocol.access.kicks import Subject
from protocol.hooks import HookContext, HookMethod, RestClientConfig
from protocol.stream.events import StreamEvent
from protocol.stream.request import StreamRequest
from protocol.stream.status_notice import StatusNotice
from tests.support.session.signaling_rig import SignalingRig

S = TypeVar("S", bound=Stream)
T = TypeVar("T")

CAP = 600
"""Seconds of the test's clock that anything may take."""


@define
class Told:
    """All that one owner was told, kind by kind, in order."""

    answers: list[tuple[str, str]] = field(factory=list)
    notices: list[StatusNotice] = field(factory=list)
    events: list[tuple[str, StreamEvent]] = field(factory=list)
    warnings: list[tuple[str, HookMethod, str]] = field(factory=list)
    refusals: list[tuple[str, HookMethod, str]] = field(factory=list)
    ends: list[str] = field(factory=list)

    def statuses(self, media_session_id: str) -> list[str]:
        """The statuses of one stream, in order."""
        return [notice.stream.status for notice in self.notices if notice.stream.media_session_id == media_session_id]


class PlainOwner:
    """As `actors.stream.StreamOwner`; the other methods are the test's."""

    def __init__(self, rig: SignalingRig, session_id: str, config: RestClientConfig | None = None) -> None:
        app = rig.services.apps.by_key("defaultApp")
        assert app is not None
        self.context = HookContext(node_id="node1", app_key=app.key, session_id=session_id)
        self.subject = Subject(app_key=app.key, session_id=session_id)
        self.lane = rig.dispatcher.open_lane(app=app, session_id=session_id, on_warning=self._lane_warns)
        if config is not None:
            self.lane.config = config
        self.told = Told()
        self.streams: dict[str, Stream] = {}
        self._services = rig.services.streams
        self._changed = trio.Event()

    # -- what streams tell -------------------------------------------------------------------------

    def answer(self, media_session_id: str, sdp: str) -> None:
        self._note(self.told.answers, (media_session_id, sdp))

    def status(self, notice: StatusNotice) -> None:
        self._note(self.told.notices, notice)

    def event(self, media_session_id: str, event: StreamEvent) -> None:
        self._note(self.told.events, (media_session_id, event))

    def warn(self, media_session_id: str, method: HookMethod, info: str) -> None:
        self._note(self.told.warnings, (media_session_id, method, info))

    def stop_refused(self, media_session_id: str, method: HookMethod, info: str) -> None:
        self._note(self.told.refusals, (media_session_id, method, info))

    def ended(self, media_session_id: str) -> None:
        del self.streams[media_session_id]
        self._note(self.told.ends, media_session_id)

    # -- the test's --------------------------------------------------------------------------------

    def publish(self, name: str, media_session_id: str, **fields: Any) -> PublishedStream:
        return self._start(PublishedStream, name, media_session_id, **fields)

    def play(self, name: str, media_session_id: str, **fields: Any) -> PlayedStream:
        return self._start(PlayedStream, name, media_session_id, **fields)

    async def until(self, media_session_id: str, status: str) -> StatusNotice:
        """Wait for a stream's status."""
        with trio.fail_after(CAP):
            while True:
                for notice in self.told.notices:
                    if (notice.stream.media_session_id, notice.stream.status) == (media_session_id, status):
                        return notice
                self._changed = trio.Event()
                await self._changed.wait()

    def leave(self, reason: StopReason) -> None:
        """End all streams, and call the backend no more."""
        for stream in tuple(self.streams.values()):
            stream.stop(reason)
        self.lane.close()

    def _start(self, kind: type[S], name: str, media_session_id: str, **fields: Any) -> S:
        request = StreamRequest(media_session_id=media_session_id, name=name, **({"sdp": "v=0"} | fields))
        stream = start_stream(kind, request, self, self._services)
        self.streams[media_session_id] = stream
        return stream

    def _lane_warns(self, method: HookMethod, info: str) -> None:
        self.warn("", method, info)

    def _note(self, notes: list[T], note: T) -> None:
        notes.append(note)
        self._changed.set()
