"""What is told about a session: log lines and counts."""

from attrs import frozen

from actors.runtime.logs import get_logger
from protocol.metrics.actor_counts import ActorCounts

log = get_logger("session")


@frozen
class SessionReport:
    """Reports about one session. `address`: of its client."""

    session_id: str
    address: str | None
    counts: ActorCounts

    def established(self, app_key: str, origin: str | None) -> None:
        """The client was let in."""
        self.counts.session_started(app_key, is_let_in=True)
        log.info("session established", id=self.session_id, app=app_key, client=self.address, origin=origin)

    def refused(self, app_key: str, info: str) -> None:
        """It was not. `app_key` as the client has it: there need not be such an application."""
        self.counts.session_started(app_key, is_let_in=False)
        log.info("session refused", id=self.session_id, client=self.address, info=info)
