"""How fast one client may send requests that fail: beyond that its answers are held back, and nobody else's.

A program that tries passwords, paths or broken bodies costs the server work each time. It is not shut out, for the next
request from its address may be the operator's; it only waits longer for each refusal.
"""

from collections import OrderedDict

import trio

from actors.runtime.logs import RateLimitedLog
from config.addresses import client_key
from protocol.common.rate_limit import RateLimit

LONGEST_PAUSE = 1.0
"""Seconds that a refusal is held back at most."""

_BURST = 5.0
"""Seconds of the allowed rate that may fail at once."""
_MOST_CLIENTS = 1000
"""Clients remembered; of more the one that failed least recently is forgotten."""


class FailureRates:
    """The failed requests of each client; `rate` a second may fail without a pause."""

    def __init__(self, rate: float, log: RateLimitedLog) -> None:
        self._rate = rate
        self._log = log
        self._clients: OrderedDict[str, RateLimit] = OrderedDict()

    def pause(self, address: str) -> float:
        """Count a failed request from `address`; for how many seconds its answer is to be held back."""
        limit = self._limit_of(client_key(address))
        now = trio.current_time()
        if limit.take(now):
            return 0.0
        self._log.warning("refusals held back", setting="rest.max_failed_requests", client=address)
        return LONGEST_PAUSE

    def _limit_of(self, key: str) -> RateLimit:
        limit = self._clients.pop(key, None) or RateLimit(self._rate, self._rate * _BURST)
        self._clients[key] = limit
        if len(self._clients) > _MOST_CLIENTS:
            self._clients.popitem(last=False)
        return limit
