"""Pings: a client that answers none of several is considered gone."""

import math
from collections.abc import Callable
from typing import Final

import trio

from actors.session.reading import FrameReader
from config.settings import Settings

PING_TICK: Final = 0.2
"""Seconds; pings of all sessions are aligned to these steps, because waking up costs more than a ping."""


async def ping_until_silent(reader: FrameReader, settings: Settings, ping: Callable[[], None]) -> None:
    """Ping at intervals; returns when as many pings as allowed have gone unanswered."""
    while True:
        due = trio.current_time() + settings.keep_alive_server_interval
        await trio.sleep_until(math.ceil(due / PING_TICK) * PING_TICK)
        if reader.silent_pings >= settings.keep_alive_probes:
            return
        reader.silent_pings += 1
        ping()
