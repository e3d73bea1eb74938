"""When the publisher is asked for a key frame: many requests become one, and one viewer cannot command them.

A request is a PLI or FIR (RFC 4585 section 6.3.1, RFC 5104 section 4.3.1).
"""

import math

MIN_REQUEST_INTERVAL = 0.4  # seconds between two key frame requests for one track
RETRY_INTERVAL = 1.0  # seconds until a request that brought no key frame is repeated
MIN_VIEWER_INTERVAL = 1.0  # seconds between two requests of one viewer; an earlier one is answered when they are over


class KeyFrameRequests:
    """Key frame requests for one track, many viewers' made into one.

    A key frame is several times the size of another frame, so at most one is asked for in `MIN_REQUEST_INTERVAL`; a
    request that comes sooner is not lost but deferred. A key frame that begins after a request answers it.
    """

    def __init__(self) -> None:
        self.deadline = math.inf  # when `due` has something to say
        self.sent = 0
        self._sent_at = -math.inf

    def request(self, now: float, *, not_before: float = -math.inf) -> None:
        """Somebody needs a key frame, at once or from `not_before` on."""
        self.deadline = min(self.deadline, max(now, not_before, self._sent_at + MIN_REQUEST_INTERVAL))

    def due(self, now: float) -> bool:
        """Is a request to be sent now? It is repeated until `arrived`."""
        if now < self.deadline:
            return False
        self.sent += 1
        self._sent_at = now
        self.deadline = now + RETRY_INTERVAL
        return True

    def arrived(self) -> None:
        self.deadline = math.inf


class ViewerRequests:
    """The key frame requests (PLI, FIR) of one viewer, which must not be able to command key frames all the time."""

    def __init__(self) -> None:
        self._next_at = -math.inf

    def not_before(self, now: float) -> float:
        """Count a request, and say from when on it may be answered."""
        allowed = max(now, self._next_at)
        if now >= self._next_at:
            self._next_at = now + MIN_VIEWER_INTERVAL
        return allowed
