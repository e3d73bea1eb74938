"""Packets that are lost in this server, and why. All are counted and logged.

Packets that are refused are logged once per peer and reason (`Drops`); packets that the sockets lose are summed up in
the log every few seconds (`LossWatch`).
"""

import math
from collections.abc import Callable, Mapping
from enum import Enum

from actors.media.statistics import Counters
from actors.runtime.logs import Logger, RateLimitedLog
from protocol.common.rate_limit import RateLimit
from protocol.webrtc.srtp import MAX_PACKET, SrtpError, SrtpReplayError


class Drop(Enum):
    """Why a packet of a peer is dropped: the counter in `MediaStatistics`, and the reason as the log has it."""

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
    """The drops of one peer. All peers share `log`, which limits the rate of each event."""

    def __init__(self, counters: Counters, log: RateLimitedLog, session_id: str) -> None:
        self.total = 0
        self._counters = counters
        self._log = log
        self._session_id = session_id
        self._told: set[Drop] = set()

    def count(self, drop: Drop, **fields: object) -> None:
        """Count a packet; `fields` are for the log."""
        self.total += 1
        setattr(self._counters, drop.counter, getattr(self._counters, drop.counter) + 1)
        if drop not in self._told:
            self._told.add(drop)
            self._log.warning("media dropped", session=self._session_id, why=drop.reason, **fields)

    def count_undecrypted(self, error: SrtpError) -> None:
        """Count a packet that libsrtp refuses. Duplicates are common in healthy networks and are not logged."""
        if isinstance(error, SrtpReplayError):
            self._counters.srtp_errors += 1
        else:
            self.count(Drop.NOT_AUTHENTIC, error=error)


class ControlRate:
    """Limits the RTCP and DTLS packets read from a peer: they are costly, and no peer needs hundreds a second."""

    def __init__(self, rate: int, drops: Drops) -> None:
        self._limit = RateLimit(rate, rate)
        self._drops = drops

    def allows(self, now: float) -> bool:
        """Whether one more may be read; if not, it is counted as dropped."""
        if self._limit.take(now):
            return True
        self._drops.count(Drop.CONTROL_RATE)
        return False


class LossWatch:
    """Logs the datagrams that the sockets had no room for, in either direction.

    `counts` gives the totals since the start, under their names in `MediaStatistics`.
    """

    INTERVAL = 10.0  # seconds between two lines

    def __init__(self, counts: Callable[[], Mapping[str, int]], log: Logger) -> None:
        self._counts = counts
        self._log = log
        self._told = dict(counts())
        self._look_at = -math.inf

    def look(self, now: float) -> None:
        """Log what was lost since the last line; to be called now and then."""
        if now < self._look_at:
            return
        self._look_at = now + 1
        counts = self._counts()
        lost = {name: count - self._told[name] for name, count in counts.items() if count > self._told[name]}
        if lost:
            self._told = dict(counts)
            self._look_at = now + self.INTERVAL
            self._log.warning("packets lost at the sockets", **lost)
