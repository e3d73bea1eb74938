"""How many stream events one client may cause, and how large.

An event costs little when it arrives and much when it is forwarded, so the frames for all viewers are counted too.
"""

from typing import Final

from config.settings import Settings
from protocol.common.rate_limit import RateLimit

HOOK_COST: Final = 10
"""A call to the backend takes as much work as this many frames."""


class EventAllowance:
    """The stream events of one client."""

    def __init__(self, settings: Settings) -> None:
        self._max_size = settings.max_stream_event_size
        self._events = RateLimit(settings.max_stream_events, 2 * settings.max_stream_events)
        self._frames = RateLimit(settings.max_stream_event_frames, 2 * settings.max_stream_event_frames)

    def limit_hit(self, now: float, *, size: int, audience: int, with_hooks: bool) -> str | None:
        """The setting that forbids an event of `size` bytes to `audience` viewers now; None: allowed, and counted.

        `with_hooks` says that the backend is called for each viewer.

        An event for more viewers than `max_stream_event_frames` is allowed too, and the next one is due later.
        """
        if size > self._max_size:
            return "max_stream_event_size"
        if self._frames.charge(now, 0) > 0:
            return "max_stream_event_frames"
        if not self._events.take(now):
            return "max_stream_events"
        self._frames.charge(now, audience * (HOOK_COST if with_hooks else 1))
        return None
