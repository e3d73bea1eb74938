"""How long a peer takes to answer, and so when to ask again.

Two kinds of samples measure the time from a request to its answer:

- A publisher echoes the clock in our extended reports (RFC 3611 sections 4.4 and 4.5); browsers do so without
  negotiation. It is the only exact way: we send no sender reports upstream, so receiver reports from the publisher
  have nothing to refer to.
- A retransmission answers a NACK. This includes the peer's own queue, and works with peers that ignore extended
  reports. Only a packet that was requested once counts: otherwise we cannot know which request was answered (Karn's
  algorithm).

A viewer's receiver reports refer to the sender reports passed on to it (RFC 3550 section 6.4.1).
"""

UNKNOWN_RETRY = 0.1  # seconds; nothing is measured yet
MIN_RETRY = 0.020  # below this, a late answer is more likely the scheduling of two busy machines
MAX_RETRY = 0.5
MAX_SAMPLE = 10.0  # anything longer comes from a broken clock


class RttEstimator:
    """Smoothed as TCP does it (RFC 6298 section 2): the mean, and how far samples stray from it. All in seconds."""

    def __init__(self) -> None:
        self.mean = 0.0
        """0 until something is measured."""
        self._deviation = 0.0
        self._is_known = False

    @property
    def retry_after(self) -> float:
        """If no answer has come by then, the request or the answer is lost."""
        if not self._is_known:
            return UNKNOWN_RETRY
        return min(max(self.mean + 4 * self._deviation, MIN_RETRY), MAX_RETRY)

    def sample(self, seconds: float) -> None:
        """Take in a measurement. A negative one counts as 0: clocks are rounded."""
        if seconds > MAX_SAMPLE:
            return
        seconds = max(seconds, 0.0)
        if self._is_known:
            self._deviation += (abs(seconds - self.mean) - self._deviation) / 4
            self.mean += (seconds - self.mean) / 8
        else:
            self.mean, self._deviation, self._is_known = seconds, seconds / 2, True
