"""How fast one client may send requests that fail: beyond that its error responses are delayed, and nobody else's.

A program that tries passwords, paths or broken bodies costs work each time. It is not locked out, because the next
request from its address may be the operator's; it only waits longer for each refusal.
"""

from collections import OrderedDict

import trio

from actors.runtime.logs import RateLimitedLog
from config.media_addresses import client_key
from protocol.common.rate_limit import RateLimit
from protocol.metrics.signalling_counts import RefusalCounts
from protocol.metrics.web_counts import HELD_BACK

LONGEST_PAUSE = 1.0
"""Seconds by which a refusal is delayed at most."""

_BURST = 5.0
"""Seconds' worth of the allowed rate that may fail at once."""
_MOST_CLIENTS = 1000
"""Clients remembered; beyond that, the one that failed least recently is forgotten."""


class FailureRates:
    """The failed requests of each client; `rate` per second may fail without a delay."""

    def __init__(self, rate: float, log: RateLimitedLog) -> None:
        self.rate = rate
        self.refused = RefusalCounts()
        self._log = log
        self._clients: OrderedDict[str, RateLimit] = OrderedDict()

    def pause(self, address: str) -> float:
        """Count a failed request from `address`; returns the seconds by which to delay its response."""
        limit = self._limit_of(client_key(address))
        now = trio.current_time()
        if limit.take(now):
            return 0.0
        self.refused.note(HELD_BACK)
        self._log.warning("refusals held back", setting="rest.max_failed_requests", client=address)
        return LONGEST_PAUSE

    def _limit_of(self, key: str) -> RateLimit:
        limit = self._clients.pop(key, None) or RateLimit(self.rate, self.rate * _BURST)
        self._clients[key] = limit
        if len(self._clients) > _MOST_CLIENTS:
            self._clients.popitem(last=False)
        return limit
