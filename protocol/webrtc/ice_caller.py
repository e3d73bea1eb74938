"""ICE towards a lite agent at one known address: another node of the cluster, which would wait for ever for a check.

Where the peer is comes with its credentials, by a carrier that is trusted. So the first check goes there unasked; all
that follows is as with any peer. The checks go on while the transport lives: their answers are the peer's consent, and
their absence tells soon that the path or the peer is gone, also while a publisher has nothing to send. While it sends,
its media says the same, and no check is needed.
"""

import math
from collections.abc import Callable
from typing import Final

from protocol.webrtc.ice import IceLiteAgent
from protocol.webrtc.paths import IcePath, PeerPath

CALL_INTERVAL: Final = 1.0
"""Seconds between two checks of the path, or from the last authentic packet that came by it to the next check."""
CALL_TIMEOUT: Final = 3.0
"""Seconds to the first answer."""
LOST_AFTER: Final = 3.0
"""Seconds without anything authentic from the peer, after which it is lost."""
_ROOM: Final = 1_000
"""Bytes that each round may send to the address, whether anybody has answered or not."""


class IceCaller(IceLiteAgent):
    """The controlling agent of one peer at `path`; the rest as for IceLiteAgent."""

    def __init__(
        self,
        ufrag: str,
        pwd: str,
        remote_ufrag: str,
        remote_pwd: str,
        now: float,
        *,
        entropy: Callable[[int], bytes],
        path: IcePath,
    ) -> None:
        super().__init__(
            ufrag,
            pwd,
            remote_ufrag,
            remote_pwd,
            now,
            entropy=entropy,
            controlling=True,
            check_timeout=CALL_TIMEOUT,
            consent_timeout=LOST_AFTER,
        )
        self._called = self._known[path] = PeerPath(path)
        self._call_at = now

    @property
    def deadline(self) -> float:
        return min(super().deadline, self._call_at)

    def on_time(self, now: float) -> None:
        """Check the path when it is time, and repeat what was not answered."""
        if now >= self._call_at:
            current = self._current
            heard = -math.inf if current is None or not current.proven else current.heard
            if now < heard + CALL_INTERVAL:
                self._call_at = heard + CALL_INTERVAL
            else:
                self._call_at = now + CALL_INTERVAL
                self._call(current or self._called, now)
        super().on_time(now)

    def _call(self, called: PeerPath, now: float) -> None:
        called.credit(_ROOM)
        self._ask(called, now)
