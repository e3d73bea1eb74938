"""When to ask the publisher for a key frame: many requests become one, and no single viewer can force them.

A request is a PLI or FIR (RFC 4585 section 6.3.1, RFC 5104 section 4.3.1).
"""

import math

MIN_REQUEST_INTERVAL = 0.4  # seconds between two key frame requests for one track
RETRY_INTERVAL = 1.0  # seconds until a request that brought no key frame is repeated
MIN_VIEWER_INTERVAL = 1.0  # seconds between two requests of one viewer; an earlier one is deferred


class KeyFrameRequests:
    """Key frame requests for one track, merged from all its viewers.

    A key frame is several times the size of any other frame, so at most one is requested per `MIN_REQUEST_INTERVAL`; an
    earlier request is not lost but deferred. A key frame that begins after a request answers it.
    """

    def __init__(self) -> None:
        self.deadline = math.inf  # when `due` may return True
        self.sent = 0
        self._sent_at = -math.inf

    def request(self, now: float, *, not_before: float = -math.inf) -> None:
        """A viewer needs a key frame, now or from `not_before` on."""
        self.deadline = min(self.deadline, max(now, not_before, self._sent_at + MIN_REQUEST_INTERVAL))

    def due(self, now: float) -> bool:
        """Whether to send a request now. It is repeated until `arrived`."""
        if now < self.deadline:
            return False
        self.sent += 1
        self._sent_at = now
        self.deadline = now + RETRY_INTERVAL
        return True

    def arrived(self) -> None:
        self.deadline = math.inf


class ViewerRequests:
    """The key frame requests (PLI, FIR) of one viewer, which must not be able to force key frames all the time."""

    def __init__(self) -> None:
        self._next_at = -math.inf

    def not_before(self, now: float) -> float:
        """Count a request; returns the earliest time to answer it."""
        allowed = max(now, self._next_at)
        if now >= self._next_at:
            self._next_at = now + MIN_VIEWER_INTERVAL
        return allowed
