"""How a session handles each request of an established client. Nothing here waits."""

from collections.abc import Callable
from functools import partial

import trio

from actors.calls.call import SESSION_GONE
from actors.node.supervisor import StreamActor
from actors.node.termination import Termination
from actors.runtime.actor import StopReason
from actors.runtime.logs import get_logger
from actors.session.requests.backend_requests import BackendRequests
from actors.session.requests.call_seat import CallSeat
from actors.session.requests.calls import CallAccess
from actors.session.requests.data_exchange import AcceptAll, DataExchange
from actors.session.requests.diagnostics import Debugging, Diagnostics
from actors.session.requests.rooms import RoomAccess, SessionRooms
from actors.session.requests.snapshots import SnapshotRequests
from actors.session.requests.stream_events import StreamEvents
from actors.session.requests.websdk_owner import SessionOwner
from actors.session.socket.receive_quota import ReceiveQuota
from actors.stream import PlayedStream, PublishedStream, Stream, StreamRefused, StreamServices, start_stream
from protocol.rooms.info_texts import RoomRefused
from protocol.signaling.frame_codec import weigh_frame
from protocol.signaling.frames import (
    AvailableStream,
    AvailableStreamAnswer,
    ClientFrame,
    DataStatusAck,
    Fail,
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
from protocol.signaling.stream_forms import stream_request
from protocol.stream.info_texts import StreamInfo
from protocol.stream.statuses import StreamStatus

log = get_logger("session")


class Requests:
    """The streams of one session and the answers to its requests."""

    def __init__(
        self,
        owner: SessionOwner,
        services: StreamServices,
        quota: ReceiveQuota,
        nursery: Callable[[], trio.Nursery],
        *,
        room_access: RoomAccess | None = None,
        debugging: Debugging | None = None,
        calls: CallAccess | None = None,
    ) -> None:
        self.streams: dict[str, Stream] = {}
        """The session's live streams, by mediaSessionId."""
        self._owner = owner
        self._context = owner.context
        self._services = services
        self._inflow = quota
        self._backend = BackendRequests(owner.lane, quota, nursery)
        self._events = StreamEvents(owner, services)
        self._rooms = None if room_access is None else SessionRooms(owner, room_access, self.streams)
        self._data = DataExchange(owner, self._rooms or AcceptAll(), self._backend)
        self._diagnostics = Diagnostics(owner, self._backend, debugging, self.streams)
        self._snapshots = SnapshotRequests(owner, services, self._backend, nursery, self.streams)
        self._calls = CallSeat(owner, calls, quota, nursery)
        self._weights: dict[str, int] = {}

    @property
    def room_names(self) -> tuple[str, ...]:
        """The rooms that the session is in."""
        return () if self._rooms is None else self._rooms.joined

    def end(self, reason: StopReason, *, is_lost: bool) -> Termination[StreamActor]:
        """The session is over: every stream of it ends with `reason`, before this returns or, if many, in slices.

        `is_lost`: its client may come back.
        """
        self._backend.end()
        try:
            self._calls.end(SESSION_GONE, is_lost=is_lost)
            self._diagnostics.end()
            self._data.end()  # first, so that a room's members are told LEFT, and not also of each stream
        finally:
            termination = self._services.supervisor.stop_streams(tuple(self.streams.values()), reason)
        return termination

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
                self._tell_availability(frame)
            case SendStreamEvent():
                self._pass_stream_event(frame)
            case SendData() | DataStatusAck():
                self._data.take(frame)
            case Snapshot():
                self._snapshots.take(frame)
            case SessionDebug() | PushLogs() | SubmitBugReport():
                self._diagnostics.take(frame)
            case SipRequest():
                self._calls.take(frame)
            case UnknownFrame():
                log.debug("unknown message", session=self._context.session_id, message=frame.message)

    # -- streams -----------------------------------------------------------------------------------

    def _start_stream(self, request: PublishStream | PlayStream) -> None:
        try:
            owner, room = (self._owner, None) if self._rooms is None else self._rooms.owner_of(request)
        except RoomRefused as refused:
            self._refuse_stream(request, refused.info)
            return
        self._start(request, owner, room)

    def _start(self, request: PublishStream | PlayStream, owner: SessionOwner, room: str | None) -> None:
        self._report_ends()
        kind: type[Stream] = PublishedStream if isinstance(request, PublishStream) else PlayedStream
        if len(self.streams) >= self._services.settings.max_streams_per_session:
            self._inflow.refused("max_streams_per_session")
            self._refuse_stream(request, StreamInfo.FAILED_TO_ADD_STREAM_TO_PROXY)
            return
        weight = weigh_frame(request)
        if not self._inflow.keep(weight):
            self._refuse_stream(request, StreamInfo.FAILED_TO_ADD_STREAM_TO_PROXY)
            return
        try:
            stream = start_stream(kind, stream_request(request, room=room), owner, self._services)
        except StreamRefused as refused:
            self._inflow.give_back(weight)
            self._refuse_stream(request, refused.info)
        else:
            self.streams[stream.media_session_id], self._weights[stream.media_session_id] = stream, weight

    def _report_ends(self) -> None:
        """Of many streams that end, backends are told after all clients, but before what a client does next."""
        for stream in tuple(self.streams.values()):
            if stream.reason is not None:
                stream.begin_stop(stream.reason)

    def _refuse_stream(self, request: PublishStream | PlayStream, info: str) -> None:
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

    def _tell_availability(self, frame: AvailableStream) -> None:
        def tell(available: bool) -> None:
            info = "" if available else StreamInfo.STREAM_NOT_FOUND
            self._send(AvailableStreamAnswer(media_session_id=frame.media_session_id, available=available, info=info))

        directory = self._services.directory
        if directory.is_announced(frame.name) or not directory.is_shared:
            tell(directory.is_announced(frame.name))
        elif not self._backend.look_up(partial(directory.is_available, frame.name), tell):
            tell(False)

    def _pass_stream_event(self, frame: SendStreamEvent) -> None:
        publisher = self.streams.get(frame.media_session_id)
        if not isinstance(publisher, PublishedStream) or not publisher.is_live or not frame.type.is_from_publisher:
            log.debug("stream event ignored", session=self._context.session_id, type=frame.type)
            return
        self._events.take(frame, publisher, self._backend.ask)

    def _send(self, frame: ServerFrame) -> None:
        self._owner.send(frame)
