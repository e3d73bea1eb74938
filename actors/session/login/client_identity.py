"""Who the client of a session is, and what follows from that: bans."""

from collections.abc import Mapping
from typing import Any

from actors.node.bans import Bans
from actors.runtime.actor import StopReason
from protocol.access.kicks import Subject


class ClientIdentity:
    """The client of one session. Only its address is known before its `connection` frame."""

    def __init__(self, session_id: str, address: str | None, bans: Bans) -> None:
        self.subject = Subject(app_key="", session_id=session_id, address=address)
        self._bans = bans

    def note(self, body: Mapping[str, Any], app_key: str) -> str | None:
        """Take over what the client, or the backend, says about it; why it must not connect, if it must not."""
        known = self.subject
        self.subject = Subject.of_connection(body, app_key=app_key, session_id=known.session_id, address=known.address)
        return self._bans.refusal_of_session(self.subject)

    def stopped(self, reason: StopReason) -> None:
        """The session is stopped: a kick may be meant to keep the client away."""
        self._bans.session_stopped(reason, self.subject)


def told_reason(reason: StopReason | None) -> str | None:
    """The text that was chosen for the client, if there is one."""
    return None if reason is None or reason.kick is None else reason.kick.reason


def close_text(info: str) -> str | None:
    """The text as the reason in a close frame, which has room for 123 bytes (RFC 6455 section 5.5); None for none."""
    return info.encode(errors="replace")[:123].decode(errors="ignore") or None
