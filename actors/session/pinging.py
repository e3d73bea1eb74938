"""Pings: a client that answers none of several is considered gone."""

import math
from collections.abc import Callable
from typing import Final

import trio

from actors.node.supervisor import Supervisor
from actors.session.reading import FrameReader
from config.settings import Settings

PING_TICK: Final = 0.2
"""Seconds; pings of all sessions are aligned to these steps, because waking up costs more than a ping."""
PINGS_AT_ONCE: Final = 20
"""With so many sessions that more pings than this would leave in a step, on average, the steps are shorter."""


def ping_tick(interval: float, sessions: int) -> float:
    """The length of a step, in seconds, if each of the sessions is pinged once an interval."""
    return min(PING_TICK, PINGS_AT_ONCE * interval / max(1, sessions))


async def ping_until_silent(
    reader: FrameReader, settings: Settings, ping: Callable[[], None], supervisor: Supervisor
) -> None:
    """Ping at intervals; returns when as many pings as allowed have gone unanswered."""
    while True:
        interval = settings.keep_alive_server_interval
        tick = ping_tick(interval, supervisor.session_count)
        await trio.sleep_until(math.ceil((trio.current_time() + interval) / tick) * tick)
        if reader.silent_pings >= settings.keep_alive_probes:
            return
        reader.silent_pings += 1
        ping()
