"""What is counted of sessions and streams over their lives."""

from collections import Counter

from protocol.metrics.histogram import LIVES, WAITS, Histogram
from protocol.metrics.labels import (
    CAUSES,
    DIRECTIONS,
    OTHER,
    TERMINATORS,
    AppLabels,
    Labels,
    direction,
    one_app,
    one_of,
)
from protocol.node.descriptions import StreamTraffic


class ActorCounts:
    """Counters since the start; the supervisor keeps them."""

    def __init__(self, apps: AppLabels | None = None) -> None:
        self.apps = apps or one_app()
        self.sessions_started: Counter[Labels] = Counter()
        self.sessions_ended: Counter[str] = Counter()
        self.session_seconds = Histogram(LIVES)
        self.streams_started: Counter[str] = Counter(dict.fromkeys(DIRECTIONS, 0))
        self.streams_ended: Counter[Labels] = Counter()
        self.stream_seconds = {way: Histogram(LIVES) for way in DIRECTIONS}
        self.setup_seconds = {way: Histogram(WAITS) for way in DIRECTIONS}
        self.terminations: Counter[Labels] = Counter()
        self.terminate_seconds = Histogram(WAITS)
        self.crashes: Counter[str] = Counter()
        self.mailbox_peaks: dict[str, int] = {}
        self.ended_traffic = {way: TrafficSum() for way in DIRECTIONS}
        """Of all streams that have ended."""

    def session_started(self, app_key: str, *, is_let_in: bool) -> None:
        """A client was let in, or refused."""
        self.sessions_started[self.apps.of(app_key), "established" if is_let_in else "refused"] += 1

    def session_ended(self, *, cause: str, seconds: float) -> None:
        """A session has ended."""
        self.sessions_ended[one_of(cause, CAUSES)] += 1
        self.session_seconds.observe(seconds)

    def stream_started(self, *, published: bool) -> None:
        """A stream runs."""
        self.streams_started[direction(published=published)] += 1

    def stream_live(self, *, published: bool, seconds: float) -> None:
        """A stream's media flows, `seconds` after it was asked for."""
        self.setup_seconds[direction(published=published)].observe(seconds)

    def stream_ended(self, *, published: bool, cause: str, seconds: float, traffic: StreamTraffic) -> None:
        """A stream has ended; `traffic`: of all its life."""
        way = direction(published=published)
        self.streams_ended[way, one_of(cause, CAUSES)] += 1
        self.stream_seconds[way].observe(seconds)
        self.ended_traffic[way].add(traffic)

    def terminated(self, cause: str, *, matched: int, all_stopped: bool, seconds: float) -> None:
        """Somebody has had streams or sessions stopped. `cause`: that of their ends."""
        result = "none" if not matched else "stopped" if all_stopped else "late"
        self.terminations[TERMINATORS.get(cause, OTHER), result] += 1
        self.terminate_seconds.observe(seconds)

    def note_mailbox(self, kind: str, peak: int) -> None:
        """An actor has ended in whose mailbox at most `peak` messages waited."""
        self.mailbox_peaks[kind] = max(peak, self.mailbox_peaks.get(kind, 0))


class TrafficSum:
    """The counters of many streams together."""

    __slots__ = ("bytes", "lost", "nacks", "packets", "plis")

    def __init__(self) -> None:
        self.packets = self.bytes = self.lost = self.nacks = self.plis = 0

    def add(self, traffic: "StreamTraffic | TrafficSum") -> None:
        """Add those of a stream, or of others."""
        self.packets += traffic.packets
        self.bytes += traffic.bytes
        self.lost += traffic.lost
        self.nacks += traffic.nacks
        self.plis += traffic.plis
