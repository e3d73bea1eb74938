"""A session: one WebSocket, from the first frame to the close.

reader task   socket -> decode -> mailbox       never waits for anything slow; a full mailbox ends the session
outbox        frame -> socket, if that needs no waiting; else it is queued for
writer task   outbox -> socket                  each send under a deadline; a client that does not read is dropped
pinger task   ping every few seconds            a client that answers none of ten is considered gone
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any, ClassVar

import trio

from actors.node.supervisor import Supervisor
from actors.node.termination import Follower
from actors.runtime.actor import CRASHED, SHUTDOWN, Actor, StopReason
from actors.runtime.logs import get_logger
from actors.session.describing import describe_session
from actors.session.login.backend_login import BackendLogin, ConnectRefused
from actors.session.login.client_identity import close_text, told_reason
from actors.session.requests.calls import call_access
from actors.session.requests.data_exchange import data_text
from actors.session.requests.diagnostics import debugging_of
from actors.session.requests.requests import Requests
from actors.session.requests.rooms import room_access
from actors.session.requests.websdk_owner import SessionOwner
from actors.session.services import SessionServices
from actors.session.session_report import SessionReport
from actors.session.socket.client_socket import Socket
from actors.session.socket.reading import CLIENT_GONE, FLOODED, FrameReader, InboundFrame
from actors.session.socket.writing import NOT_READING, UNWRITABLE, FrameWriter
from actors.session.video_rates import RatedPage, RateRound
from actors.stream import Stream
from actors.stream.end_reasons import session_ended
from protocol.hooks import HookMethod
from protocol.node.client_data import ClientData
from protocol.node.descriptions import ConnectionDescription
from protocol.signaling.frame_codec import FrameError, encode
from protocol.signaling.frames import (
    ClientFrame,
    Connection,
    ConnectMediaTransport,
    Fail,
    Ping,
    PingFrame,
    PongFrame,
    ServerFrame,
)
from protocol.signaling.session_state import Admission, SessionLife, SessionState
from protocol.signaling.session_statuses import SessionStatus

log = get_logger("session")

CLOSE_TIMEOUT = 1.5
"""Seconds for the closing handshake, after the last frames."""
CONNECTION_TIMEOUT = 15.0
"""Seconds from the open socket to the `connection` frame."""

PING_TIMEOUT = StopReason(cause="ping-timeout")
REFUSED = StopReason(cause="refused")
PROTOCOL_ERROR = StopReason(cause="protocol-error")
NO_CONNECTION_FRAME = StopReason(cause="no-connection-frame")
MEDIA_TRANSPORT = StopReason(cause="media-transport-unsupported")

_LOST = frozenset({PING_TIMEOUT, CLIENT_GONE, NOT_READING})
"""Ends after which a client may come back."""

_CLOSE_CODES = {
    SHUTDOWN: 1001,
    NOT_READING: 1008,
    FLOODED: 1008,
    PROTOCOL_ERROR: 1008,
    NO_CONNECTION_FRAME: 1008,
    UNWRITABLE: 1011,
    CRASHED: 1011,
}


class Session(Actor[InboundFrame]):
    """One client."""

    mailbox_size: ClassVar[int] = 256
    leads = True

    def __init__(self, socket: Socket, *, session_id: str, origin: str | None, services: SessionServices) -> None:
        super().__init__()
        self.session_id = session_id
        self._login = BackendLogin(session_id, socket.address, origin, services)
        self._report = SessionReport(session_id, socket.address, services.streams.supervisor)
        self._socket = socket
        self._origin = origin
        self._services = services
        self._created = int(services.streams.wall_clock() * 1000)
        self._life = SessionLife()
        self._writer = FrameWriter(socket, services.outboxes, session_id=session_id, drop=self._drop)
        self._reader = FrameReader(socket, services.decoder, warnings=services.warnings)
        self._requests: Requests | None = None
        self._streams_stopped: trio.Event | None = None

    def __repr__(self) -> str:
        return f"Session({self.session_id})"

    # -- life --------------------------------------------------------------------------------------

    async def on_start(self) -> None:
        for helper in (self._write, self._read, self._expect_connection):
            self.nursery.start_soon(helper)

    async def handle(self, message: InboundFrame) -> None:
        try:
            await self._judge(message.frame)
        finally:
            self._reader.handled(message)

    async def _judge(self, frame: ClientFrame | FrameError) -> None:
        admission = self._life.admit(frame)
        if isinstance(frame, FrameError):
            self._refuse_frame(frame, admission)
            return
        for note in frame.notes:
            log.debug("ignored in a client frame", session=self.session_id, note=note)
        match admission:
            case Admission.TAKE:
                await self._take(frame)
            case Admission.REFUSE:
                self.send(Fail(api_method=frame.message, info="The session is already established"))
            case Admission.CLOSE:
                self._reject_unestablished(frame)

    @property
    def weight(self) -> int:
        """How many actors end with it, itself included."""
        return 1 + sum(stream.weight for stream in self._streams())

    def release_followers(self, reason: StopReason) -> Iterable[tuple[Follower, StopReason]]:
        """Its streams, and why they end: the caller stops this session, which starts no more of them, and then them."""
        because = session_ended(reason)
        return ((stream, because) for stream in self._streams())

    def _streams(self) -> tuple[Stream, ...]:
        return tuple(self._requests.streams.values()) if self._requests is not None else ()

    def notify_stopped(self, reason: StopReason) -> None:
        self._login.identity.stopped(reason)
        if told := told_reason(reason):
            self.send(Fail(info=told))

    def teardown(self, reason: StopReason) -> None:
        with ExitStack() as steps:  # each step runs, from the last to the first, even if another one fails
            steps.callback(self._life.close)
            steps.callback(self._close_outlets)
            steps.callback(self._end_requests)

    def abort(self) -> None:
        super().abort()
        self._writer.abort()

    async def on_stop(self, reason: StopReason) -> None:
        with trio.move_on_after(CLOSE_TIMEOUT):
            await self._socket.aclose(_CLOSE_CODES.get(reason, 1000), close_text(reason.info))

    def drop_references(self) -> None:
        self._login.forget()
        self._requests = None
        self._writer.discard()

    def end_log_fields(self) -> dict[str, object]:
        return {"id": self.session_id, "app": self._login.connection.app_key, **self._reader.totals}

    @property
    def takes_data(self) -> bool:
        """Whether the client may be sent data: it is established, and still there."""
        return self.reason is None and self._life.state is SessionState.ESTABLISHED

    def pass_data(self, data: ClientData, *, among_many: bool) -> bool:
        """Send data from outside to the client. False: it is one among many, and there is no room for all."""
        text = data.form(data_text)
        if among_many:
            return self._writer.offer_text(text)
        self._writer.send_text(text)
        return True

    def describe(self) -> ConnectionDescription:
        """This session as REST sees it."""
        return describe_session(
            self.session_id,
            self._login.connection,
            self._requests,
            node_id=self._services.node_id,
            created=self._created,
            origin=self._origin,
        )

    def _end_requests(self) -> None:
        if self._requests is not None:
            self._streams_stopped = self._requests.end(session_ended(self.reason), is_lost=self.reason in _LOST).stopped

    def _close_outlets(self) -> None:
        if self._streams_stopped is None or self._streams_stopped.is_set():
            self._say_goodbye()
        else:
            self.nursery.start_soon(_do_after, self._streams_stopped, self._say_goodbye)

    def _say_goodbye(self) -> None:
        with ExitStack() as steps:
            steps.callback(self._writer.close)
            self._login.take_leave(told_reason(self.reason))

    # -- frames in ---------------------------------------------------------------------------------

    async def _take(self, frame: ClientFrame) -> None:
        match frame:
            case Connection():
                await self._connect(frame)
            case Ping():
                self.send(PongFrame())
            case _ if self._requests is not None:
                self._requests.serve(frame)  # a Pong asks for nothing

    def _refuse_frame(self, error: FrameError, admission: Admission) -> None:
        self._services.warnings.warning("unusable frame", session=self.session_id, fault=error.message)
        known = self._requests is not None and error.media_session_id in self._requests.streams
        self.send(error.fail if known else error.answer)
        if admission is Admission.CLOSE:
            self.stop(PROTOCOL_ERROR)

    def _reject_unestablished(self, frame: ClientFrame) -> None:
        is_media = isinstance(frame, ConnectMediaTransport)
        if not is_media:
            self.send(Fail(api_method=frame.message, info="The first frame must be `connection`"))
        self.stop(MEDIA_TRANSPORT if is_media else PROTOCOL_ERROR)

    # -- connecting --------------------------------------------------------------------------------

    async def _connect(self, frame: Connection) -> None:
        try:
            answered = await self._login.ask(frame, warn=self._warn, go_on=self.go_on)
        except ConnectRefused as refused:
            self._refuse(refused.info)
        else:
            self._establish(answered)

    def _establish(self, answered: dict[str, Any]) -> None:
        self._life.establish()
        login, token = self._login, self._services.make_token()
        subject, context = login.identity.subject, login.context
        owner = SessionOwner(context=context, subject=subject, lane=login.lane, writer=self._writer, ended=self._forget)
        self._requests = _open_requests(self, owner, answered, token)
        login.established(self._writer, answered, token)
        self.nursery.start_soon(self._ping)
        self._report.established(login.connection.app_key, self._origin)

    def _refuse(self, info: str) -> None:
        self._report.refused(self._login.connection.app_key, info)
        self.send(Fail(api_method="ConnectionStatusEvent", status=SessionStatus.FAILED, info=info))
        self.stop(REFUSED)

    # -- frames out --------------------------------------------------------------------------------

    def send(self, frame: ServerFrame) -> None:
        """Send a frame to the client; never waits, never fails. A client that does not read is dropped."""
        self._writer.send(frame)

    def _drop(self, reason: StopReason) -> None:
        # Later, not within this call: the stream that sent the frame must first tell the backend over our lane.
        if self.reason is None:
            self.nursery.start_soon(_stop_soon, self, reason)

    def _warn(self, method: HookMethod, info: str) -> None:
        """The ErrorEvent of the WCS pages: without `apiMethod`, so that it touches no stream."""
        self.send(Fail(info=info, extra={"method": str(method)}))

    def _forget(self, media_session_id: str) -> None:
        if self._requests is not None:
            self._requests.forget(media_session_id)

    # -- helper tasks ------------------------------------------------------------------------------

    async def _read(self) -> None:
        reason = await self._reader.read(self.post, is_known=lambda: self._life.state is SessionState.ESTABLISHED)
        if reason is not None:
            self.stop(reason)

    async def _write(self) -> None:
        reason = await self._writer.write()
        if reason is not None:
            self.stop(reason)

    async def _ping(self) -> None:
        await self._services.pings.until_silent(self._reader, self._services.streams, lambda: self.send(PingFrame()))
        self.stop(PING_TIMEOUT)

    async def _expect_connection(self) -> None:
        await trio.sleep(CONNECTION_TIMEOUT)
        if self._life.state is SessionState.OPEN:
            self.stop(NO_CONNECTION_FRAME)


def _open_requests(session: Session, owner: SessionOwner, answered: dict[str, Any], token: str) -> Requests:
    """What the client of an established session may ask for. `answered`: what its backend has made of its frame."""
    services, login = session._services, session._login
    return Requests(
        owner,
        services.streams,
        session._socket.quota,
        lambda: session.nursery,
        room_access=room_access(services.rooms, owner, answered, services.streams),
        debugging=debugging_of(services.debug_reports, login.connection),
        calls=call_access(services.calls, services.parking, login.told, answered, owner.subject, token),
    )


async def _do_after(event: trio.Event, do: Callable[[], None]) -> None:
    """For what comes in any case, and soon, even if the session's tasks have been cancelled."""
    with trio.CancelScope(shield=True):
        await event.wait()
    do()


async def _stop_soon(session: Session, reason: StopReason) -> None:
    session.stop(reason)


def video_rate_pages(supervisor: Supervisor) -> Iterator[RatedPage]:
    """The pages of all sessions by WebSocket: those by HTTP know no frames."""
    sessions = (session for session in supervisor.sessions() if isinstance(session, Session))
    return (partial(_tell_video_rates, session) for session in sessions)


def _tell_video_rates(session: Session, rates: RateRound) -> None:
    """Send what `rates` has for each stream, where there is room."""
    for frame in rates.frames(session._streams()):
        session._writer.offer_text(encode(frame))
