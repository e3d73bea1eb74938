"""What a session is to its backend, which is asked at `connect`, told that it is established, and told of its end."""

from collections.abc import Awaitable, Callable
from typing import Any

from actors.hooks.lanes.lane import HookLane
from actors.session.login.client_identity import ClientIdentity
from actors.session.login.greeting import greet, take_leave
from actors.session.services import SessionServices
from actors.session.socket.writing import FrameWriter
from protocol.hooks import Allow, HookContext, HookMethod, connect_body, connection_status_body
from protocol.signaling.frames import Connection
from protocol.signaling.session_statuses import SessionStatus


class ConnectRefused(Exception):
    """The client must not connect; `info` is what it is told."""

    def __init__(self, info: str) -> None:
        super().__init__(info)
        self.info = info


class BackendLogin:
    """See above. Until `ask`, nothing is known of the client but its address."""

    def __init__(self, session_id: str, address: str | None, origin: str | None, services: SessionServices) -> None:
        self.identity = ClientIdentity(session_id, address, services.streams.bans)
        self.connection = Connection()
        """As the client has sent it; its outline alone once the session is established."""
        self.told: dict[str, Any] = {}
        """What the backend knows of it; empty: nothing."""
        self._session_id, self._origin, self._services = session_id, origin, services
        self._lane: HookLane | None = None

    @property
    def context(self) -> HookContext:
        """Which session it is, for the backend."""
        app_key = self.connection.app_key
        return HookContext(node_id=self._services.node_id, app_key=app_key, session_id=self._session_id)

    @property
    def lane(self) -> HookLane:
        """The way to the backend, once it has been asked."""
        if self._lane is None:
            raise RuntimeError("no backend has been asked")
        return self._lane

    async def ask(
        self,
        frame: Connection,
        *,
        warn: Callable[[HookMethod, str], None],
        go_on: Callable[[], Awaitable[None]],
    ) -> dict[str, Any]:
        """What the backend makes of the client's frame. Raises ConnectRefused.

        `go_on` ends it if the session has ended meanwhile.
        """
        self.connection = frame
        app = self._services.apps.by_key(frame.app_key)
        if app is None:
            raise ConnectRefused(f"Unknown application key {frame.app_key[:64]!r}")
        if banned := self.identity.note(frame.raw, app.key):
            raise ConnectRefused(banned)
        lane = self._lane = self._services.dispatcher.open_lane(app=app, session_id=self._session_id, on_warning=warn)
        body = connect_body(self.context, frame.raw, origin=self._origin)
        # From here on the backend may know this session, so it is told of its end, even before it has answered.
        self.told = body
        verdict = await lane.authorize(HookMethod.CONNECT, body)
        await go_on()  # the session may have ended just as the answer arrived
        refusal = self.identity.note(verdict.body, app.key) if isinstance(verdict, Allow) else verdict.info
        if not isinstance(verdict, Allow) or refusal is not None:
            status = connection_status_body(body, status=SessionStatus.FAILED, info=refusal)
            lane.notify(HookMethod.CONNECTION_STATUS_EVENT, status)
            raise ConnectRefused(refusal or "")
        return verdict.body

    def established(self, writer: FrameWriter, answered: dict[str, Any], token: str) -> None:
        """The session is: client and backend are told so. `answered`: what `ask` gave."""
        greet(writer, self.lane, self.connection, sent=self.told, answered=answered, token=token)
        self.connection = self.connection.outline()
        self.told = self.context.body()

    def take_leave(self, info: str | None) -> None:
        """The session is over: the backend is told, if it has been asked."""
        if self._lane is not None:
            take_leave(self._lane, self.told, info=info)

    def forget(self) -> None:
        """There is no way to the backend any more."""
        self._lane = None
