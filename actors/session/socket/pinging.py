"""Pings: a client that answers none of several is considered gone."""

import math
from collections import Counter
from collections.abc import Callable
from typing import Final

import trio

from actors.session.socket.reading import FrameReader
from actors.stream import StreamServices

PING_TICK: Final = 0.2
"""Seconds; pings of all sessions are aligned to these steps, because waking up costs more than a ping."""
PINGS_AT_ONCE: Final = 20
"""With so many sessions that more pings than this would leave in a step, on average, the steps are shorter."""
EXACT: Final = 1e-6
"""Of a step: so near, a time is that of the step."""


class PingSchedule:
    """When each session is pinged. Sessions that came at the same moment, as after an outage, do not stay together."""

    def __init__(self) -> None:
        self._planned: Counter[int] = Counter()
        """Pings in each step to come."""
        self._cleared = 0

    def plan(self, now: float, interval: float, sessions: int) -> float:
        """The time of the next ping of one of the sessions: after the interval, or when fewer are pinged, at most one
        interval later.
        """
        self._forget_past(int(now / PING_TICK))
        first = math.ceil((now + interval) / PING_TICK - EXACT)
        share = max(PINGS_AT_ONCE, math.ceil(sessions * PING_TICK / interval))
        later = range(first, first + max(1, int(interval / PING_TICK)))
        chosen = next((each for each in later if self._planned[each] < share), first)
        part = self._planned[chosen] % share // PINGS_AT_ONCE
        self._planned[chosen] += 1
        return (chosen + part / math.ceil(share / PINGS_AT_ONCE)) * PING_TICK

    def _forget_past(self, current: int) -> None:
        if current != self._cleared:
            self._cleared = current
            for past in [each for each in self._planned if each < current]:
                del self._planned[past]

    async def until_silent(self, reader: FrameReader, shared: StreamServices, ping: Callable[[], None]) -> None:
        """Ping at intervals; returns when as many pings as allowed have gone unanswered."""
        while True:
            interval = shared.settings.keep_alive_server_interval
            await trio.sleep_until(self.plan(trio.current_time(), interval, shared.supervisor.session_count))
            if reader.silent_pings >= shared.settings.keep_alive_probes:
                return
            reader.silent_pings += 1
            ping()
