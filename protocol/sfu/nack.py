"""Which lost packets to ask a publisher for, and which ones a viewer may be given again (RFC 4585, RFC 4588)."""

import math

REORDER_GRACE = 0.010  # seconds a packet may be late before it is asked for: most late packets are only out of order
RETRY_INTERVAL = 0.080  # seconds between two requests for one packet
MAX_TRIES = 8
MAX_MISSING = 512  # a wider hole is not filled packet by packet: a key frame is cheaper

MIN_RESEND_INTERVAL = 0.020  # seconds between two resends of one packet to one viewer
MAX_RESENDS = 3  # of one packet to one viewer
RESEND_SHARE = 0.25  # of the stream's rate that may be spent on resends to one viewer
RESEND_FLOOR = 16_000  # bytes a second that may always be spent on resends
RESEND_BURST = 2.0  # seconds of that budget that may be spent at once
_REMEMBERED_RESENDS = 1024


class LossTracker:
    """The holes in one incoming track, by extended sequence number, and when each is to be asked for."""

    def __init__(self) -> None:
        self._missing: dict[int, tuple[float, int]] = {}  # sequence -> (ask at, times asked)
        self.deadline = math.inf

    def __contains__(self, sequence: int) -> bool:
        return sequence in self._missing

    def lost(self, first: int, end: int, now: float) -> bool:
        """The packets from `first` to `end` (excluded) have not come. False: too many, the holes are given up."""
        if end - first + len(self._missing) > MAX_MISSING:
            self.clear()
            return False
        ask_at = now + REORDER_GRACE
        for sequence in range(first, end):
            self._missing[sequence] = (ask_at, 0)
        self.deadline = min(self.deadline, ask_at)
        return True

    def arrived(self, sequence: int) -> None:
        """A late packet came; no need to ask for it any more."""
        self._missing.pop(sequence, None)
        if not self._missing:
            self.deadline = math.inf

    def due(self, now: float) -> list[int]:
        """The packets to ask for now. Those that were asked for often enough are given up."""
        if now < self.deadline:
            return []
        wanted = [sequence for sequence, (ask_at, _) in self._missing.items() if ask_at <= now]
        for sequence in wanted:
            tries = self._missing[sequence][1] + 1
            if tries < MAX_TRIES:
                self._missing[sequence] = (now + RETRY_INTERVAL, tries)
            else:
                del self._missing[sequence]
        self.deadline = min((ask_at for ask_at, _ in self._missing.values()), default=math.inf)
        return wanted

    def clear(self) -> None:
        self._missing.clear()
        self.deadline = math.inf


class ResendBudget:
    """What one viewer's NACKs may cost: one 1200-byte NACK can name nearly 5,000 packets, 6 MB of answers.

    A packet is given again at most `MAX_RESENDS` times, not twice within `MIN_RESEND_INTERVAL`, and all resends
    together take at most `RESEND_SHARE` of the stream's own rate.
    """

    def __init__(self, now: float) -> None:
        self._resent: dict[int, tuple[float, int]] = {}  # sequence -> (last resend, how many)
        self._refilled_at = now
        self._tokens = RESEND_FLOOR * RESEND_BURST

    def allow(self, sequence: int, size: int, stream_rate: float, now: float) -> bool:
        """May this packet of `size` bytes be sent again? `stream_rate` in bytes a second. A yes is charged."""
        last, count = self._resent.get(sequence, (-math.inf, 0))
        if count >= MAX_RESENDS or now - last < MIN_RESEND_INTERVAL:
            return False
        self._refill(stream_rate, now)
        if self._tokens < size:
            return False
        self._tokens -= size
        self._resent[sequence] = (now, count + 1)
        if len(self._resent) > _REMEMBERED_RESENDS:
            del self._resent[next(iter(self._resent))]
        return True

    def _refill(self, stream_rate: float, now: float) -> None:
        rate = max(RESEND_FLOOR, RESEND_SHARE * stream_rate)
        self._tokens = min(rate * RESEND_BURST, self._tokens + rate * (now - self._refilled_at))
        self._refilled_at = now
