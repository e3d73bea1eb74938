"""How long a peer may be silent: until its first check, and then without renewing its consent to receive (RFC 7675)."""

import enum
import math

from protocol.webrtc.paths import PeerPath


class IceExpiry(enum.Enum):
    """Why an agent has expired."""

    NO_CHECK = "no valid check came in time"
    CONSENT = "the peer's consent to receive was not renewed in time"


class Consent:
    """One peer's. `started` and all other times are seconds of one clock, the timeouts are in seconds.

    `check_timeout` is for the first valid check, `timeout` for what must follow it.
    """

    def __init__(self, started: float, *, check_timeout: float, timeout: float) -> None:
        self.timeout = timeout
        self._check_until = started + check_timeout
        self._heard: float | None = None
        self._excused_until = -math.inf

    def hear_check(self, now: float) -> None:
        """A valid check has come, by any path."""
        self._heard = now

    def excuse(self, until: float) -> None:
        """We have not listened for a while: silence does not count before `until`."""
        self._excused_until = until

    def expiry(self, current: PeerPath | None) -> float:
        """When it ends, unless the peer is heard before. `current`: the path in use."""
        return max(self._excused_until, self._silent_at(current))

    def expired(self, current: PeerPath | None, now: float) -> IceExpiry | None:
        """Why it has ended; None while it has not."""
        if now < self.expiry(current):
            return None
        return IceExpiry.NO_CHECK if self._heard is None else IceExpiry.CONSENT

    def _silent_at(self, current: PeerPath | None) -> float:
        if current is not None:
            return current.heard + self.timeout
        return self._check_until if self._heard is None else self._heard + self.timeout
