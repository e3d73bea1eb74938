"""A standing queue: datagrams arrive faster than they are read, and each waits behind all those before it.

The backlog after a pause of the server is soon read. A queue that stays long delays everything, and once the media is
too old to be forwarded, nobody receives any, however many packets are still read per second. So the queue is discarded
unread: important packets are sent again, and those that follow are fresh (as in RFC 8289, which judges a queue by how
long packets wait in it, and for how long that lasts).
"""

import math

TARGET = 0.5
"""Seconds that a datagram may wait to be read."""
PATIENCE = 0.5
"""Seconds for which the wait may be longer than that."""
FRESH = 0.05
"""While the queue is discarded: seconds of waiting after which a datagram is dropped."""


class StandingQueue:
    """One socket's queue, seen from where it is read. Times are in seconds of one clock."""

    def __init__(self) -> None:
        self.drops = 0
        self.drop_before = -math.inf
        """Datagrams that arrived before this are to be dropped."""
        self._late_since = math.inf

    def took(self, now: float, newest: float, *, is_all: bool) -> None:
        """The socket was read at `now`, up to what arrived at `newest`; is that all there was?"""
        if is_all or newest >= max(self.drop_before, now - TARGET):
            self.drop_before, self._late_since = -math.inf, math.inf
            return
        self._late_since = min(self._late_since, now)
        if now >= self._late_since + PATIENCE:
            self.drop_before = now - FRESH
