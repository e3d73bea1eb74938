"""Tells pages each second how much video the server gets from them and sends to them: the SDK's CONNECTION_QUALITY.

    server counts video bytes of a stream --- inboundVideoRate, outboundVideoRate ---> the SDK compares with its own

The SDK compares a rate with the bytes that the browser has counted since the frame before, and takes that for one
second. So the frames come once a second or not at all, and a stream beyond MOST gets none, rather than some late.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import trio

from actors.runtime.logs import RateLimitedLog, get_logger
from actors.runtime.slices import slices
from config.live import follow
from config.settings import Settings
from protocol.node.descriptions import StreamMeasures
from protocol.signaling.frames import InboundVideoRate, OutboundVideoRate, VideoRate

log = get_logger("session")

TICK = 1.0
"""Seconds."""
MOST = 1000
"""Streams whose pages are told in one round: a few percent of a core."""
AT_ONCE = 20
"""Pages told before other tasks get a turn."""


class RatedStream(Protocol):
    """A stream, as it is looked at."""

    published: bool

    @property
    def media_session_id(self) -> str: ...
    @property
    def is_live(self) -> bool: ...
    def measure(self) -> StreamMeasures: ...


RatedPage = Callable[["RateRound"], None]
"""Sends a page the frames that a round has for its streams."""


class VideoRates:
    """Tells all pages, if the settings say so. `pages`: those that there are now."""

    def __init__(self, settings: Settings, pages: Callable[[], Iterable[RatedPage]]) -> None:
        self._pages = pages
        self._log = RateLimitedLog(log, rate=0.1, clock=trio.current_time)
        follow(settings, self._adopt)

    def _adopt(self, settings: Settings) -> None:
        self._inbound = settings.inbound_video_rate_stat_send_interval
        self._outbound = settings.outbound_video_rate_stat_send_interval

    async def run(self) -> None:
        """Until cancelled."""
        before: dict[str, tuple[float, int]] = {}
        number, due = 0, trio.current_time()
        while True:
            number, due = number + 1, max(due + TICK, trio.current_time())
            await trio.sleep_until(due)
            ways = self._due(number)
            if not (self._inbound or self._outbound):
                before = {}
            if not any(ways.values()):
                continue
            this = RateRound(ways, before)
            for some in slices(tuple(self._pages()), AT_ONCE):
                for tell in some:
                    tell(this)
                await trio.lowlevel.checkpoint()
            before = this.seen
            if this.left_out:
                self._log.warning("too many streams for video rates", limit=MOST, left_out=this.left_out)

    def _due(self, number: int) -> dict[bool, bool]:
        """By `published`: whether such streams are told in the tick of this number."""
        intervals = {True: self._inbound, False: self._outbound}
        return {way: interval > 0 and number % interval == 0 for way, interval in intervals.items()}


class RateRound:
    """One round. `ways`: which streams are told, by `published`. `before`: when, and how many bytes, by stream."""

    def __init__(self, ways: dict[bool, bool], before: dict[str, tuple[float, int]]) -> None:
        self._ways = ways
        self._before = before
        self.seen: dict[str, tuple[float, int]] = {}
        self.left_out = 0

    def frames(self, streams: Iterable[RatedStream]) -> Iterator[VideoRate]:
        """The frames about these streams; a stream's first round only begins the count."""
        for stream in streams:
            if not (self._ways[stream.published] and stream.is_live):
                self._keep(stream.media_session_id)
            elif len(self.seen) >= MOST:
                self.left_out += 1
            elif (frame := self._frame(stream)) is not None:
                yield frame

    def _keep(self, key: str) -> None:
        """A stream whose turn it is not: it has one in another tick."""
        if key in self._before:
            self.seen[key] = self._before[key]

    def _frame(self, stream: RatedStream) -> VideoRate | None:
        measures, key = stream.measure(), stream.media_session_id
        if measures.video_codec is None:
            return None
        now, count = trio.current_time(), measures.traffic.video_bytes
        then, before = self._before.get(key, (now, count))
        self.seen[key] = now, count
        if now <= then:
            return None
        rate = round(max(count - before, 0) * 8 / (now - then))
        kind = InboundVideoRate if stream.published else OutboundVideoRate
        return kind(media_session_id=key, video_rate=rate)
