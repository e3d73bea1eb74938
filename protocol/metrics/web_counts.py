"""What is counted of HTTP requests."""

from collections import Counter

from protocol.metrics.histogram import WAITS, Histogram
from protocol.metrics.labels import METHODS, Labels, one_of


class WebCounts:
    """Counters since the start."""

    def __init__(self) -> None:
        self.requests: Counter[Labels] = Counter()
        self.seconds: dict[str, Histogram] = {}
        self.logins: Counter[Labels] = Counter()

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered. `route`: the path of one of our routes, or OTHER."""
        self.requests[route, one_of(method, METHODS), str(status)] += 1
        (self.seconds.get(route) or self.seconds.setdefault(route, Histogram(WAITS))).observe(seconds)

    def login(self, scheme: str, *, result: str) -> None:
        """Somebody has shown who it is, or failed to."""
        self.logins[scheme, result] += 1
