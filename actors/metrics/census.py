"""Sums over all sessions and streams, made in slices: there may be thousands, and media must not wait."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import trio

from actors.metrics.exposition import Readings
from actors.node.supervisor import SessionActor, StreamActor, Supervisor
from actors.runtime.slices import SliceBudget
from protocol.metrics.actor_counts import TrafficSum
from protocol.metrics.labels import CODECS, DIRECTIONS, Labels, direction, one_of

SLICE: Final = 500
"""Streams or sessions looked at in one go, at most."""
SLICE_TIME: Final = 0.0005
"""Seconds after which no more of them are looked at in one go."""

A = TypeVar("A")

_SUMS: Final = {
    "packets": "wcsd_media_packets_total",
    "bytes": "wcsd_media_bytes_total",
    "lost": "wcsd_media_packets_lost_total",
    "nacks": "wcsd_media_nacks_total",
    "plis": "wcsd_media_plis_total",
}


class Census:
    """Counts the sessions and streams of a supervisor, each time anew."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._apps = supervisor.counts.apps
        self._told: Counter[tuple[str, str]] = Counter()

    async def take(self) -> Readings:
        """What there is now."""
        return {**await self._sessions(), **await self._streams()}

    async def _sessions(self) -> Readings:
        counts: Counter[Labels] = Counter()

        def look(session: SessionActor) -> None:
            description = session.describe()
            counts[self._apps.of(description.app_key), description.status] += 1

        await _each(tuple(self._supervisor.sessions()), look)
        return {"wcsd_sessions": counts}

    async def _streams(self) -> Readings:
        # Both at one moment: what ends from here on is still in the first, and not yet in the second.
        streams = self._supervisor.all_streams()
        traffic = {way: TrafficSum() for way in DIRECTIONS}
        for way, ended in self._supervisor.counts.ended_traffic.items():
            traffic[way].add(ended)
        found = _Found(traffic)
        await _each(streams, found.look)
        return {
            "wcsd_streams": found.statuses,
            "wcsd_stream_codecs": found.codecs,
            "wcsd_audience_max_viewers": found.most_viewers,
            **{name: self._grown(field, traffic) for field, name in _SUMS.items()},
        }

    def _grown(self, field: str, traffic: dict[str, TrafficSum]) -> dict[Labels, float]:
        """A sum by direction. It never shrinks: players may report fewer losses than before."""
        for way, sums in traffic.items():
            self._told[field, way] = max(self._told[field, way], getattr(sums, field))
        return {(way,): self._told[field, way] for way in traffic}


class _Found:
    def __init__(self, traffic: dict[str, TrafficSum]) -> None:
        self.statuses: Counter[Labels] = Counter()
        self.codecs: Counter[Labels] = Counter()
        self.most_viewers = 0
        self._traffic = traffic

    def look(self, stream: StreamActor) -> None:
        way, measures = direction(published=stream.published), stream.measure()
        self._traffic[way].add(measures.traffic)
        if stream.reason is not None:
            return
        self.statuses[way, str(stream.status)] += 1
        self.most_viewers = max(self.most_viewers, stream.audience)
        for kind, codec in (("audio", measures.audio_codec), ("video", measures.video_codec)):
            if codec is not None:
                self.codecs[way, kind, one_of(codec, CODECS)] += 1


async def _each(items: Sequence[A], look: Callable[[A], None]) -> None:
    """`look` at each of them; other tasks get turns in between."""
    budget = SliceBudget(SLICE, SLICE_TIME)
    for item in items:
        if budget.is_spent:
            await trio.lowlevel.checkpoint()
            budget = SliceBudget(SLICE, SLICE_TIME)
        look(item)
        budget.spend(1)
    await trio.lowlevel.checkpoint()
