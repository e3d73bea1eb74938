"""Tells, as events, that media is dropped: once a second at most, and how much since the last one."""

from collections.abc import Mapping
from typing import Protocol

import trio

from actors.events.event_log import EventLog
from protocol.metrics.labels import TOLD_DROPS
from protocol.node.server_events import EventType

INTERVAL = 1.0
"""Seconds between two looks."""


class CountsDrops(Protocol):
    """The media plane, as it is looked at."""

    @property
    def drops(self) -> Mapping[str, int]:
        """Packets dropped since the start, by reason."""


async def watch_media_drops(plane: CountsDrops, events: EventLog) -> None:
    """Until cancelled."""
    told = _told(plane.drops)
    while True:
        await trio.sleep(INTERVAL)
        now = _told(plane.drops)
        new = {reason: count - told[reason] for reason, count in now.items() if count > told[reason]}
        if new:
            events.emit(EventType.MEDIA_DROPPED, packets=sum(new.values()), reasons=new)
        told = now


def _told(drops: Mapping[str, int]) -> dict[str, int]:
    return {reason: drops[reason] for reason in TOLD_DROPS}
