"""When to ask the publisher for a key frame: many requests become one, and no single viewer can force them.

A request is a PLI or FIR (RFC 4585 section 6.3.1, RFC 5104 section 4.3.1).
"""

import math

MIN_REQUEST_INTERVAL = 0.4  # seconds between two key frame requests for one track
RETRY_INTERVAL = 1.0  # seconds until a request that brought no key frame is repeated
SLOW_ANSWER = 0.3  # seconds from a request to its key frame, beyond which viewers are given older ones to start with
LONGEST_ANSWER = 1.0  # seconds; a publisher whose camera was off for an hour is not slow for the next twenty answers
MIN_ANSWERS = 3  # before a publisher is known to be slow: the first one may have been busy with its start
MIN_VIEWER_INTERVAL = 1.0  # seconds between two requests of one viewer; an earlier one is deferred


class KeyFrameRequests:
    """Key frame requests for one track, merged from all its viewers.

    A key frame is several times the size of any other frame, so at most one is requested per `MIN_REQUEST_INTERVAL`; an
    earlier request is not lost but deferred. A key frame that begins after a request answers it.
    """

    def __init__(self) -> None:
        self.deadline = math.inf  # when `due` may return True
        self.sent = 0
        self.delay = 0.0
        """Seconds from request to key frame, each at most `LONGEST_ANSWER`, smoothed; 0 before the first answer."""
        self._sent_at = -math.inf
        self._answers = 0
        self._asked_at: float | None = None  # when the first request was sent that is unanswered

    @property
    def are_answered_slowly(self) -> bool:
        """Whether a viewer that joins would wait so long for a key frame that it notices."""
        return self._answers >= MIN_ANSWERS and self.delay > SLOW_ANSWER

    def request(self, now: float, *, not_before: float = -math.inf) -> None:
        """A viewer needs a key frame, now or from `not_before` on."""
        self.deadline = min(self.deadline, max(now, not_before, self._sent_at + MIN_REQUEST_INTERVAL))

    def due(self, now: float) -> bool:
        """Whether to send a request now. It is repeated until `arrived`."""
        if now < self.deadline:
            return False
        self.sent += 1
        self._sent_at = now
        self._asked_at = now if self._asked_at is None else self._asked_at
        self.deadline = now + RETRY_INTERVAL
        return True

    def arrived(self, now: float) -> None:
        """A key frame begins."""
        self.deadline = math.inf
        if self._asked_at is not None:
            delay, self._asked_at = min(now - self._asked_at, LONGEST_ANSWER), None
            self._answers += 1
            self.delay = delay if not self.delay else self.delay + (delay - self.delay) / 4


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
