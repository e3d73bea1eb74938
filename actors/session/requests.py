"""How a session handles each request of an established client.

Nothing here waits: a request that needs the backend's decision is continued by a helper task, so that a slow answer
does not delay the client's other frames. The lane keeps the calls of one session in order.
"""

from collections.abc import Callable
from typing import Any

import trio

from actors.runtime.actor import StopReason
from actors.runtime.logs import get_logger
from actors.session.receive_quota import ReceiveQuota
from actors.session.stream_events import StreamEvents
from actors.session.websdk_owner import SessionOwner
from actors.stream import PlayedStream, PublishedStream, Stream, StreamRefused, StreamServices, start_stream
from protocol.common.memory_budget import weigh
from protocol.hooks import (
    Allow,
    HookMethod,
    Verdict,
    data_body,
    data_status_body,
    snapshot_body,
)
from protocol.signaling.frame_codec import weigh_frame
from protocol.signaling.frames import (
    AvailableStream,
    AvailableStreamAnswer,
    ClientFrame,
    DataStatusEvent,
    Fail,
    Finish,
    NotifySessionDebugEvent,
    NotifyStreamEvent,
    NotifyStreamStatusEvent,
    PlayStream,
    PublishStream,
    PushLogs,
    SendData,
    SendStreamEvent,
    ServerFrame,
    SessionDebug,
    SipRequest,
    Snapshot,
    StopRequest,
    SubmitBugReport,
    UnknownFrame,
)
from protocol.signaling.session_statuses import DataStatus
from protocol.signaling.stream_forms import stream_request
from protocol.stream.info_texts import StreamInfo
from protocol.stream.statuses import StreamEventType, StreamStatus

log = get_logger("session")

MAX_WAITING = 128
"""Requests of one session that may wait for its backend at a time, not counting streams."""


class Requests:
    """The streams of one session and the answers to its requests."""

    def __init__(
        self,
        owner: SessionOwner,
        services: StreamServices,
        quota: ReceiveQuota,
        nursery: Callable[[], trio.Nursery],
    ) -> None:
        self.streams: dict[str, Stream] = {}
        """The session's live streams, by mediaSessionId."""
        self._owner = owner
        self._context = owner.context
        self._services = services
        self._inflow = quota
        self._nursery = nursery
        self._waiting = 0
        self._events = StreamEvents(owner, services)
        self._weights: dict[str, int] = {}

    def stop_streams(self, reason: StopReason) -> None:
        """End every stream of the session."""
        for stream in tuple(self.streams.values()):
            stream.stop(reason)

    def forget(self, media_session_id: str) -> None:
        """The stream has ended."""
        del self.streams[media_session_id]
        self._inflow.give_back(self._weights.pop(media_session_id))

    def serve(self, frame: ClientFrame) -> None:
        """Answer `frame`, now or once the backend has answered."""
        match frame:
            case PublishStream() | PlayStream():
                self._start_stream(frame)
            case StopRequest():
                self._stop_stream(frame)
            case AvailableStream():
                self._send(self._availability(frame))
            case SendStreamEvent():
                self._pass_stream_event(frame)
            case SendData():
                self._take_data(frame)
            case Snapshot():
                self._take_snapshot(frame)
            case SessionDebug() | PushLogs() | SubmitBugReport():
                self._take_diagnostics(frame)
            case SipRequest():
                self._send(Finish(call_id=frame.call_id))
            case UnknownFrame():
                log.debug("unknown message", session=self._context.session_id, message=frame.message)

    # -- streams -----------------------------------------------------------------------------------

    def _start_stream(self, request: PublishStream | PlayStream) -> None:
        kind: type[Stream] = PublishedStream if isinstance(request, PublishStream) else PlayedStream
        if len(self.streams) >= self._services.settings.max_streams_per_session:
            self._inflow.refused("max_streams_per_session")
            self._refuse_stream(request, StreamInfo.FAILED_TO_ADD_STREAM_TO_PROXY)
            return
        weight = weigh_frame(request)
        if not self._inflow.keep(weight):
            self._refuse_stream(request, StreamInfo.FAILED_TO_ADD_STREAM_TO_PROXY)
            return
        if request.transport == "TCP":
            log.info("media over TCP was asked for; UDP is answered", id=request.media_session_id)
        try:
            stream = start_stream(kind, stream_request(request), self._owner, self._services)
        except StreamRefused as refused:
            self._inflow.give_back(weight)
            self._refuse_stream(request, refused.info)
        else:
            self.streams[stream.media_session_id], self._weights[stream.media_session_id] = stream, weight

    def _refuse_stream(self, request: PublishStream | PlayStream, info: StreamInfo) -> None:
        if request.media_session_id in self.streams:
            # A status frame would end the client's own running stream of this id.
            self._send(Fail(api_method=request.message, id=request.media_session_id, info=info))
            return
        self._send(
            NotifyStreamStatusEvent(
                media_session_id=request.media_session_id,
                status=StreamStatus.FAILED,
                info=info,
                name=request.name,
                published=request.published,
            )
        )

    def _stop_stream(self, frame: StopRequest) -> None:
        stream = self.streams.get(frame.media_session_id)
        if stream is not None:
            stream.user_stop()

    def _availability(self, frame: AvailableStream) -> AvailableStreamAnswer:
        available = self._services.directory.is_announced(frame.name)
        info = "" if available else StreamInfo.STREAM_NOT_FOUND
        return AvailableStreamAnswer(media_session_id=frame.media_session_id, available=available, info=info)

    def _pass_stream_event(self, frame: SendStreamEvent) -> None:
        publisher = self.streams.get(frame.media_session_id)
        if not isinstance(publisher, PublishedStream) or not publisher.is_live or not frame.type.is_from_publisher:
            log.debug("stream event ignored", session=self._context.session_id, type=frame.type)
            return
        self._events.take(frame, publisher, self._ask)

    # -- data and the rest -------------------------------------------------------------------------

    def _take_data(self, frame: SendData) -> None:
        def decided(verdict: Verdict) -> None:
            accepted = isinstance(verdict, Allow)
            status = DataStatus.ACCEPTED if accepted else DataStatus.FAILED
            info = None if isinstance(verdict, Allow) else verdict.info
            body = data_status_body(self._context, operation_id=frame.operation_id, status=status, info=info)

            def deliver(shown: dict[str, Any]) -> None:
                # The page finds its promise by the id and settles it by the status: the backend must not change them.
                self._send(DataStatusEvent(operation_id=frame.operation_id, status=status, info=_text(shown, "info")))

            self._owner.lane.event(HookMethod.DATA_STATUS_EVENT, body, deliver=deliver)

        body = data_body(self._context, operation_id=frame.operation_id, payload=frame.payload)
        if not self._ask(HookMethod.ON_DATA_EVENT, body, decided):
            info = "Too many requests are waiting for the backend"
            self._send(DataStatusEvent(operation_id=frame.operation_id, status=DataStatus.FAILED, info=info))

    def _take_snapshot(self, frame: Snapshot) -> None:
        def failed(info: str) -> None:
            self._send(
                NotifyStreamEvent(
                    media_session_id=frame.media_session_id,
                    type=StreamEventType.SNAPSHOT_FAILED,
                    payload={"info": info},
                )
            )

        def decided(verdict: Verdict) -> None:
            if not isinstance(verdict, Allow):
                failed(verdict.info)
            elif self._services.directory.is_announced(frame.name):
                failed("Snapshots are not supported")
            else:
                failed(StreamInfo.STREAM_NOT_FOUND)

        body = snapshot_body(self._context, name=frame.name, media_session_id=frame.media_session_id)
        if not self._ask(HookMethod.SNAPSHOT, body, decided):
            failed("Too many requests are waiting for the backend")

    def _take_diagnostics(self, frame: SessionDebug | PushLogs | SubmitBugReport) -> None:
        match frame:
            case SessionDebug():
                method, fields = HookMethod.SESSION_DEBUG, {"command": frame.command}
            case PushLogs():
                method, fields = HookMethod.PUSH_LOGS, {"logs": frame.logs}
            case SubmitBugReport():
                method = HookMethod.SUBMIT_BUG_REPORT
                fields = frame.report if isinstance(frame.report, dict) else {"report": frame.report}

        def decided(verdict: Verdict) -> None:
            if not isinstance(verdict, Allow):
                self._send(Fail(api_method=frame.message, info=verdict.info))
            elif isinstance(frame, SessionDebug):
                status = "STARTED" if frame.command == "start" else "STOPPED"
                self._send(NotifySessionDebugEvent(status=status))

        self._ask(method, {**fields, **self._context.body()}, decided)

    # -- the backend's word ------------------------------------------------------------------------

    def _ask(self, method: HookMethod, body: dict[str, Any], decided: Callable[[Verdict], None]) -> bool:
        """Call the backend and continue with its verdict. False if too many or too large requests are waiting."""
        weight = weigh(body)
        if self._waiting >= MAX_WAITING:
            self._inflow.refused(f"{MAX_WAITING} requests of a session that wait for the backend")
            return False
        if not self._inflow.keep(weight):
            return False
        self._waiting += 1
        self._nursery().start_soon(self._continue, method, body, weight, decided)
        return True

    async def _continue(
        self, method: HookMethod, body: dict[str, Any], weight: int, decided: Callable[[Verdict], None]
    ) -> None:
        try:
            decided(await self._owner.lane.authorize(method, body))
        finally:
            self._waiting -= 1
            self._inflow.give_back(weight)

    def _send(self, frame: ServerFrame) -> None:
        self._owner.send(frame)


def _text(body: dict[str, Any], key: str) -> str | None:
    """A text field; None if it is absent or something else."""
    value = body.get(key)
    return value if isinstance(value, str) else None
