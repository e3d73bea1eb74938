"""What of media is lost here, and why: counted always, and told in the log.

What is not taken of a peer is told once for each peer and reason (`Drops`), what the sockets lose now and again
(`LossWatch`).
"""

import math
from collections.abc import Callable, Mapping
from enum import Enum

from actors.media.statistics import Counters
from actors.runtime.logs import Logger, RateLimitedLog
from protocol.common.rate_limit import RateLimit
from protocol.webrtc.srtp import MAX_PACKET, SrtpError, SrtpReplayError


class Drop(Enum):
    """Why a packet of a peer is dropped: the counter in `MediaStatistics`, and the reason in words."""

    MALFORMED = "malformed", "it is no RTP"
    TOO_LARGE = "too_large", f"it is larger than {MAX_PACKET} bytes"
    PACKET_RATE = "over_packet_rate", "more packets than max_publisher_packet_rate"
    BITRATE = "over_bitrate", "more bits than max_publisher_bitrate"
    CONTROL_RATE = "over_control_rate", "more RTCP and DTLS than max_control_rate"
    UNKNOWN_SOURCE = "unexpected", "its SSRC belongs to no track of the offer"
    UNKNOWN_FORMAT = "unexpected", "its payload type was not negotiated"
    NOT_AUTHENTIC = "srtp_errors", "it cannot be decrypted"
    NO_KEY_FRAME = "skipped", "its numbers began anew, and no key frame has come since"
    STALE = "stale", "it came too long ago: the server was held up"

    def __init__(self, counter: str, reason: str) -> None:
        self.counter = counter
        self.reason = reason


class Drops:
    """The drops of one peer. `log` is shared by all peers, and says each event only so often."""

    def __init__(self, counters: Counters, log: RateLimitedLog, session_id: str) -> None:
        self.total = 0
        self._counters = counters
        self._log = log
        self._session_id = session_id
        self._told: set[Drop] = set()

    def count(self, drop: Drop, **facts: object) -> None:
        """Count a packet; `facts` are for the log."""
        self.total += 1
        setattr(self._counters, drop.counter, getattr(self._counters, drop.counter) + 1)
        if drop not in self._told:
            self._told.add(drop)
            self._log.warning("media dropped", session=self._session_id, why=drop.reason, **facts)

    def count_undecrypted(self, error: SrtpError) -> None:
        """Count a packet that libsrtp refuses. One that comes twice is common in harmless networks, and not told."""
        if isinstance(error, SrtpReplayError):
            self._counters.srtp_errors += 1
        else:
            self.count(Drop.NOT_AUTHENTIC, error=error)


class ControlRate:
    """How much RTCP and DTLS of a peer is read: it costs much, and nobody needs hundreds of packets a second."""

    def __init__(self, rate: int, drops: Drops) -> None:
        self._limit = RateLimit(rate, rate)
        self._drops = drops

    def allows(self, now: float) -> bool:
        """Whether one more may be read; a refusal is counted."""
        if self._limit.take(now):
            return True
        self._drops.count(Drop.CONTROL_RATE)
        return False


class LossWatch:
    """What the sockets had no room for, whoever it came from or went to.

    `counts` gives the sums since the start, by the names that they have in `MediaStatistics`.
    """

    INTERVAL = 10.0  # seconds between two lines

    def __init__(self, counts: Callable[[], Mapping[str, int]], log: Logger) -> None:
        self._counts = counts
        self._log = log
        self._told = dict(counts())
        self._look_at = -math.inf

    def look(self, now: float) -> None:
        """To be called now and then; says how much was lost since it was said last."""
        if now < self._look_at:
            return
        self._look_at = now + 1
        counts = self._counts()
        lost = {name: count - self._told[name] for name, count in counts.items() if count > self._told[name]}
        if lost:
            self._told = dict(counts)
            self._look_at = now + self.INTERVAL
            self._log.warning("packets lost at the sockets", **lost)
