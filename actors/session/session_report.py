"""What is told about a session: log lines, counts and events."""

from attrs import frozen

from actors.node.supervisor import Supervisor
from actors.runtime.logs import get_logger
from protocol.node.server_events import EventType

log = get_logger("session")


@frozen
class SessionReport:
    """Reports about one session. `address`: of its client."""

    session_id: str
    address: str | None
    supervisor: Supervisor

    def established(self, app_key: str, origin: str | None) -> None:
        """The client was let in."""
        self.supervisor.counts.session_started(app_key, is_let_in=True)
        log.info("session established", id=self.session_id, app=app_key, client=self.address, origin=origin)
        self._emit(EventType.SESSION_ESTABLISHED, app_key, origin=origin)

    def refused(self, app_key: str, info: str) -> None:
        """It was not. `app_key` as the client has it: there need not be such an application."""
        self.supervisor.counts.session_started(app_key, is_let_in=False)
        log.info("session refused", id=self.session_id, client=self.address, info=info)
        self._emit(EventType.SESSION_REFUSED, self.supervisor.counts.apps.known(app_key), info=info)

    def _emit(self, kind: EventType, app: str | None, *, origin: str | None = None, info: str | None = None) -> None:
        self.supervisor.events.emit(
            kind, app=app, sessionId=self.session_id, address=self.address, origin=origin, info=info
        )
