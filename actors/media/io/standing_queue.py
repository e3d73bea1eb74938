"""A queue that stands: datagrams come faster than they are read, and each waits behind all that came before it.

What a pause of the server leaves behind is soon worked off. A queue that stays long makes everything late, and nothing
is left of anybody's media once it is too old to be forwarded, however much is still read a second. So it is emptied
unread: what matters is sent again, and what comes next is fresh (as in RFC 8289, where a queue is judged by the time
that is spent in it, and for how long).
"""

import math

TARGET = 0.5
"""Seconds that datagrams may wait to be read."""
PATIENCE = 0.5
"""Seconds for which they may wait longer than that."""
FRESH = 0.05
"""Seconds after which they are thrown away while the queue is emptied."""


class StandingQueue:
    """One socket's queue, seen from where it is read. Times are in seconds of one clock."""

    def __init__(self) -> None:
        self.drops = 0
        self.drop_before = -math.inf
        """What arrived before this is to be thrown away."""
        self._late_since = math.inf

    def took(self, now: float, newest: float, *, is_all: bool) -> None:
        """The socket was read at `now`, up to what arrived at `newest`; is that all there was?"""
        if is_all or newest >= max(self.drop_before, now - TARGET):
            self.drop_before, self._late_since = -math.inf, math.inf
            return
        self._late_since = min(self._late_since, now)
        if now >= self._late_since + PATIENCE:
            self.drop_before = now - FRESH
