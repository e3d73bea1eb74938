"""What is counted of DTLS handshakes."""

from collections import Counter

from protocol.metrics.histogram import WAITS, Histogram


class HandshakeCounts:
    """Counters since the start. `ok`: media can flow; `unfinished`: the peer was gone before that."""

    def __init__(self) -> None:
        self.results: Counter[str] = Counter(ok=0, unfinished=0)
        self.seconds = Histogram(WAITS)
        """Of those that were ok."""

    def done(self, seconds: float) -> None:
        """One has ended as it should."""
        self.results["ok"] += 1
        self.seconds.observe(seconds)

    def given_up(self) -> None:
        """One has ended otherwise."""
        self.results["unfinished"] += 1
