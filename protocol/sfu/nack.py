"""Which lost packets to request from a publisher, and which to resend to a viewer (RFC 4585, RFC 4588)."""

import math

from attrs import define

from protocol.sfu.rtt import RttEstimator

REORDER_GRACE = 0.010  # seconds a packet may be late before it is requested: most late packets are only out of order
RETRY_GROWTH = 1.25  # each request for a packet waits this much longer for an answer than the one before
UNASKED_GRACE = 0.050  # the same where no request is possible: a packet not here by then is lost
MAX_TRIES = 10
MAX_AGE = 1.0  # seconds after which a packet is too late for any player
MAX_MISSING = 512  # a wider hole is not filled packet by packet: a key frame is cheaper

MIN_RESEND_INTERVAL = 0.010  # seconds between two resends of one packet to a viewer with a short round trip
MAX_RESEND_INTERVAL = 0.5  # the same for a viewer whose round trip is long, or claimed to be
MAX_RESENDS = 10  # of one packet to one viewer: as often as a browser asks; at 10 % loss four in a row do get lost
RESEND_SHARE = 0.25  # share of the stream's rate that resends to one viewer may use
RESEND_FLOOR = 16_000  # bytes per second that resends may always use
RESEND_BURST = 2.0  # seconds of that budget that may be used at once
_REMEMBERED_RESENDS = 1024


@define
class MissingPacket:
    since: float
    ask_at: float
    asked_at: float = -math.inf
    tries: int = 0


class NackGenerator:
    """The holes in one incoming track, by extended sequence number, and when to request each packet.

    The first request allows for packets that are only out of order. Further ones follow at the time an answer takes
    (`RttEstimator.retry_after`), a quarter longer each time, so that a short outage does not use up all tries. When the
    answer is overdue after `MAX_TRIES` requests or `MAX_AGE` seconds, the packet is given up. A sender that accepts no
    requests (`asks` is false) gets none: a missing packet is given up after a moment.
    """

    def __init__(self, round_trip: RttEstimator, *, asks: bool = True) -> None:
        self.deadline = math.inf
        self.given_up = -1
        """The newest packet that has been given up; -1 for none."""
        self._round_trip = round_trip
        self._grace, self._tries = (REORDER_GRACE, MAX_TRIES) if asks else (UNASKED_GRACE, 0)
        self._holes: dict[int, MissingPacket] = {}

    def __contains__(self, sequence: int) -> bool:
        return sequence in self._holes

    def lost(self, first: int, end: int, now: float) -> bool:
        """The packets from `first` to `end` (excluded) are missing. False: too many, the holes are given up."""
        if end - first + len(self._holes) > MAX_MISSING:
            self.clear()
            return False
        ask_at = now + self._grace
        for sequence in range(first, end):
            self._holes[sequence] = MissingPacket(now, ask_at)
        self.deadline = min(self.deadline, ask_at)
        return True

    def arrived(self, sequence: int) -> None:
        """A late packet came and need not be requested any more."""
        self._holes.pop(sequence, None)
        if not self._holes:
            self.deadline = math.inf

    def answered(self, sequence: int, now: float) -> None:
        """A packet came as a retransmission, which tells how long an answer takes."""
        hole = self._holes.get(sequence)
        if hole is not None and hole.tries == 1:
            self._round_trip.sample(now - hole.asked_at)
        self.arrived(sequence)

    def due(self, now: float) -> list[int]:
        """The packets to request now."""
        if now < self.deadline:
            return []
        ripe = [(sequence, hole) for sequence, hole in self._holes.items() if hole.ask_at <= now]
        wanted = [sequence for sequence, hole in ripe if self._may_ask(sequence, hole, now)]
        self.deadline = min((hole.ask_at for hole in self._holes.values()), default=math.inf)
        return wanted

    def clear(self) -> None:
        self._holes.clear()
        self.deadline = math.inf

    def _may_ask(self, sequence: int, hole: MissingPacket, now: float) -> bool:
        """Count a request, or give the packet up."""
        if hole.tries >= self._tries or (hole.tries and now - hole.since >= MAX_AGE):
            del self._holes[sequence]
            self.given_up = max(self.given_up, sequence)
            return False
        hole.asked_at = now
        hole.ask_at = now + self._round_trip.retry_after * RETRY_GROWTH**hole.tries
        hole.tries += 1
        return True


class ResendBudget:
    """Limits what one viewer's NACKs cost: one 1200-byte NACK can name nearly 5,000 packets, 6 MB of answers.

    A packet is resent at most `MAX_RESENDS` times, and not twice within half a round trip: a request that comes sooner
    was sent before the last answer can have arrived. All resends together take at most `RESEND_SHARE` of the stream's
    rate.
    """

    def __init__(self, round_trip: RttEstimator, now: float) -> None:
        self._round_trip = round_trip
        self._resent: dict[int, tuple[float, int]] = {}  # sequence -> (last resend, how many)
        self._refilled_at = now
        self._tokens = RESEND_FLOOR * RESEND_BURST

    def allow(self, sequence: int, size: int, stream_rate: float, now: float) -> bool:
        """Whether this packet of `size` bytes may be resent; if so, it is charged. `stream_rate`: bytes per second."""
        last, count = self._resent.get(sequence, (-math.inf, 0))
        if count >= MAX_RESENDS or now - last < self._interval:
            return False
        self._refill(stream_rate, now)
        if self._tokens < size:
            return False
        self._tokens -= size
        self._resent[sequence] = (now, count + 1)
        if len(self._resent) > _REMEMBERED_RESENDS:
            del self._resent[next(iter(self._resent))]
        return True

    @property
    def _interval(self) -> float:
        return min(max(self._round_trip.mean / 2, MIN_RESEND_INTERVAL), MAX_RESEND_INTERVAL)

    def _refill(self, stream_rate: float, now: float) -> None:
        rate = max(RESEND_FLOOR, RESEND_SHARE * stream_rate)
        self._tokens = min(rate * RESEND_BURST, self._tokens + rate * (now - self._refilled_at))
        self._refilled_at = now
