"""A session with one stream, made for one POST: `connect`, then `publishStream` or `playStream`, as for any session.

It lives as long as its stream. There is no channel to its client: what other clients are told by frames, it learns
from the HTTP responses, and from its media.
"""

import uuid
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any, Final, Never

from actors.hooks.lanes.lane import HookLane
from actors.node.ports.whip import WhipRequest
from actors.node.termination import Follower
from actors.runtime.actor import CRASHED, Actor, Request, StopReason
from actors.runtime.logs import get_logger
from actors.session import SessionServices
from actors.session.login.client_identity import ClientIdentity, told_reason
from actors.stream import PlayedStream, PublishedStream, Stream, StreamRefused, start_stream
from actors.stream.end_reasons import session_ended
from actors.whip.owner import WhipOwner
from config.apps import App
from config.media_addresses import client_key
from protocol.hooks import Allow, HookContext, HookMethod, connect_body, connection_status_body
from protocol.node.client_data import ClientData
from protocol.node.descriptions import ConnectionDescription
from protocol.rest.errors import RestError, bad_request
from protocol.rest.resources.whip import refusal_of_stream, unauthorized
from protocol.signaling.session_statuses import SessionStatus
from protocol.stream.info_texts import StreamInfo
from protocol.stream.request import StreamRequest

log = get_logger("whip")

CLIENT_GONE: Final = StopReason(cause="connection-lost")
REFUSED: Final = StopReason(cause="refused")
STREAM_OVER: Final = StopReason(cause="stream-over")
_USER_AGENT_SHOWN: Final = 256
"""Characters of it that hooks and REST show."""


class WhipSession(Actor[Never]):
    """One publication by WHIP, or one playback by WHEP."""

    leads = True
    takes_data = False

    def __init__(
        self, request: WhipRequest, *, session_id: str, services: SessionServices, ended: Callable[[], None]
    ) -> None:
        super().__init__()
        self.session_id = session_id
        self.answered: Request[str] = Request()
        """The answer to the offer, or a RestError."""
        self._request = request
        self._services = services
        self._ended = ended
        self._identity = ClientIdentity(session_id, client_key(request.client[0]), services.streams.bans)
        self._context = HookContext(node_id=services.node_id, app_key=request.app_key, session_id=session_id)
        self._created = int(services.streams.wall_clock() * 1000)
        self._lane: HookLane | None = None
        self._stream: Stream | None = None
        self._is_established = False
        self._closing: Request[None] | None = None

    def __repr__(self) -> str:
        return f"WhipSession({self.session_id})"

    # -- life --------------------------------------------------------------------------------------

    async def on_start(self) -> None:
        key = self._request.app_key
        app = self._services.apps.by_key(key)
        if app is None:
            fault = f"unknown application key {key[:64]!r}" if key else "app=KEY is missing, and whip.app is empty"
            self._refuse(bad_request(fault, key="app"))
        elif (connected := await self._connect(app)) is not None:
            self._establish(*connected)

    async def _connect(self, app: App) -> tuple[HookLane, dict[str, Any]] | None:
        """Ask the backend; what it has made of `connect`, or None if the client was refused."""
        told = self._told()
        if banned := self._identity.note(told, app.key):
            self._refuse(refusal_of_stream(banned))
            return None
        lane = self._lane = self._services.dispatcher.open_lane(
            app=app, session_id=self.session_id, on_warning=self._warn
        )
        body = connect_body(self._context, told, origin=self._request.origin)
        verdict = await lane.authorize(HookMethod.CONNECT, body)
        await self.go_on()  # the session may have ended just as the answer arrived
        if not isinstance(verdict, Allow):
            self._refuse(unauthorized(verdict.info))
        elif banned := self._identity.note(verdict.body, app.key):
            self._refuse(refusal_of_stream(banned))
        else:
            return lane, verdict.body
        return None

    def _told(self) -> dict[str, Any]:
        """What a page would say of itself in its `connection` frame."""
        request = self._request
        agent = None if request.user_agent is None else request.user_agent[:_USER_AGENT_SHOWN]
        custom = {} if request.token is None else {"custom": {"token": request.token}}
        return {
            "mediaProviders": ["WebRTC"],
            "clientVersion": self._protocol,
            "clientBrowserVersion": agent,
            **custom,
        }

    @property
    def _protocol(self) -> str:
        return "WHIP" if self._request.published else "WHEP"

    def _establish(self, lane: HookLane, connected: dict[str, Any]) -> None:
        self._is_established = True
        token = self._services.make_token()
        body = connection_status_body(connected, status=SessionStatus.ESTABLISHED, auth_token=token)
        lane.event(HookMethod.CONNECTION_STATUS_EVENT, body, deliver=lambda shown: None)
        log.info(
            "session established",
            id=self.session_id,
            app=self._request.app_key,
            origin=self._request.origin,
            protocol=self._protocol,
        )
        owner = WhipOwner(context=self._context, subject=self._identity.subject, lane=lane, session=self)
        kind: type[Stream] = PublishedStream if self._request.published else PlayedStream
        wanted = StreamRequest(media_session_id=str(uuid.uuid4()), name=self._request.name, sdp=self._request.offer)
        try:
            self._stream = start_stream(kind, wanted, owner, self._services.streams)
        except StreamRefused as refused:
            self._refuse(refusal_of_stream(refused.info))

    def _refuse(self, error: RestError) -> None:
        log.info("session refused", id=self.session_id, info=error.message, protocol=self._protocol)
        self.answered.fail(error)
        self.stop(REFUSED)

    def _warn(self, method: HookMethod, info: str) -> None:
        log.debug("the backend failed", id=self.session_id, method=method, info=info)

    # -- what its stream reports -------------------------------------------------------------------

    def stream_answered(self, sdp: str) -> None:
        """The offer has its answer."""
        self.answered.reply(sdp)

    def stream_stop_refused(self, info: str) -> None:
        """The backend does not let the client end its stream."""
        if self._closing is not None:
            self._closing.fail(refusal_of_stream(info))
            self._closing = None

    def stream_ended(self) -> None:
        """The stream is over, and so is this session."""
        self.stop(STREAM_OVER)

    async def close(self) -> None:
        """End it for its client, and wait for that. RestError (403) if the backend refuses."""
        if self._stream is None or self.reason is not None:
            return
        if self._closing is None:
            self._closing = Request()
            self._stream.user_stop()
        await self._closing.answer()

    # -- the end -----------------------------------------------------------------------------------

    @property
    def weight(self) -> int:
        """How many actors end with it, itself included."""
        return 1 if self._stream is None else 1 + self._stream.weight

    def release_followers(self, reason: StopReason) -> Iterable[tuple[Follower, StopReason]]:
        """Its stream, and why that ends: the caller stops this session, and then the stream."""
        return () if self._stream is None else ((self._stream, session_ended(reason)),)

    def notify_stopped(self, reason: StopReason) -> None:
        self._identity.stopped(reason)

    def teardown(self, reason: StopReason) -> None:
        with ExitStack() as steps:  # each step runs, from the last to the first, even if another one fails
            steps.callback(self._ended)
            steps.callback(self._answer_last, reason)
            steps.callback(self._close_lane, reason)
            steps.callback(self._end_stream, reason)

    def _end_stream(self, reason: StopReason) -> None:
        if self._stream is not None:
            self._stream.stop(session_ended(reason))

    def _answer_last(self, reason: StopReason) -> None:
        """A request that still waits for this session is told why it is over."""
        over = session_ended(reason) if self._stream is None else self._stream.reason
        crashed = CRASHED in (reason, over)
        self.answered.fail(
            refusal_of_stream(StreamInfo.FAILED_BY_ERROR if crashed or over is None else over.info or "")
        )
        if self._closing is not None:
            self._closing.reply(None)

    def _close_lane(self, reason: StopReason) -> None:
        if self._lane is None:
            return
        # The backend may know this session from `connect` on, so it is told of its end, even before it has answered.
        status = SessionStatus.DISCONNECTED if self._is_established or reason is not REFUSED else SessionStatus.FAILED
        body = connection_status_body(self._context.body(), status=status, info=told_reason(reason))
        self._lane.notify(HookMethod.CONNECTION_STATUS_EVENT, body, last=True)
        self._lane.close()

    def drop_references(self) -> None:
        self._lane = self._stream = None

    def end_log_fields(self) -> dict[str, object]:
        return {"id": self.session_id, "app": self._request.app_key, "protocol": self._protocol}

    # -- looking -----------------------------------------------------------------------------------

    def pass_data(self, data: ClientData, *, among_many: bool) -> bool:
        """There is no way to send it anything."""
        return False

    def describe(self) -> ConnectionDescription:
        """This session as REST sees it."""
        agent = self._request.user_agent
        return ConnectionDescription(
            node_id=self._services.node_id,
            app_key=self._request.app_key,
            session_id=self.session_id,
            status=SessionStatus.ESTABLISHED if self._is_established else SessionStatus.PENDING,
            create_date=self._created,
            client_version=self._protocol,
            client_browser_version=None if agent is None else agent[:_USER_AGENT_SHOWN],
            media_providers=("WebRTC",),
            origin=self._request.origin,
            streams=0 if self._stream is None else 1,
        )
