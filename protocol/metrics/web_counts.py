"""What is counted of HTTP requests and connections, and of the operator's commands."""

from collections import Counter
from typing import Final

from protocol.metrics.histogram import WAITS, Histogram
from protocol.metrics.labels import METHODS, Labels, one_of
from protocol.metrics.signalling_counts import RefusalCounts

NOT_UNDERSTOOD: Final = "not_understood"
HELD_BACK: Final = "held_back"


class WebCounts:
    """Counters since the start."""

    def __init__(self) -> None:
        self.requests: Counter[Labels] = Counter()
        self.seconds: dict[str, Histogram] = {}
        self.logins: Counter[Labels] = Counter()
        self.connections: Counter[str] = Counter(http=0, https=0)
        """Those open now, by listener."""
        self.refused = RefusalCounts({NOT_UNDERSTOOD: 0, HELD_BACK: 0})
        self.commands: Counter[Labels] = Counter()

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered. `route`: the path of one of our routes, or OTHER."""
        self.requests[route, one_of(method, METHODS), str(status)] += 1
        (self.seconds.get(route) or self.seconds.setdefault(route, Histogram(WAITS))).observe(seconds)

    def command(self, name: str, *, result: str) -> None:
        """An operator has given a command. `name`: as the command line's syntax has it."""
        self.commands[name, result] += 1

    def login(self, scheme: str, *, result: str) -> None:
        """Somebody has shown who it is, or failed to."""
        self.logins[scheme, result] += 1
