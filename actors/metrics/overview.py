"""How the whole server does, second by second, for the console: totals, and samples of the last two minutes.

Samples are taken only while somebody looks, at most one a second.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final

import trio
from attrs import asdict, field, frozen

from actors.metrics.measured import MeasuredServer
from actors.runtime.loop_clock import real_time
from actors.runtime.slices import SliceBudget
from protocol.hooks.breaker import BreakerState
from protocol.metrics.histogram import Histogram
from protocol.node.descriptions import StreamTraffic

SPAN: Final = 120.0
"""Seconds for which samples are kept."""
WINDOW: Final = 60.0
"""Seconds over which rare things, such as hooks, are looked at."""
MAX_SEEN: Final = 16
"""Sets of applications for which samples are kept; beyond that, those looked at longest ago are dropped."""
STREAMS_AT_ONCE: Final = 200
SLICE_TIME: Final = 0.0005
"""Streams, and seconds, after which other tasks get a turn."""
CERTIFICATE_DAYS: Final = 14
MAX_ALARMS: Final = 10
"""Applications named at most whose backend is not called."""
CLOSED: Final = BreakerState.CLOSED.label
FAILING_SHARE: Final = 0.05
MIN_FAILED: Final = 3
"""Share and number of failed hooks from which on they are an alarm: both, for a single failure of few calls is none."""

Apps = frozenset[str] | None


@frozen(kw_only=True)
class Sample:
    """The server at one moment. None: not known, or nothing to measure."""

    time: int
    """Milliseconds since the epoch."""
    published: int
    played: int
    kbps_in: int
    kbps_out: int
    loss: float | None
    """Lost packets in percent, since the sample before."""
    rtt: int | None
    """Mean of all streams, in milliseconds."""
    hooks: float | None
    """Calls a second, since the sample before."""
    hook_p95: float | None
    loop_p99: float | None
    """Milliseconds, over the last minute; bounds of histograms, not exact."""


@frozen(kw_only=True)
class _Counters:
    """What samples are differences of."""

    at: float
    packets: int
    lost: int
    calls: int
    failed: int
    hooks: tuple[int, ...]
    loop: tuple[int, ...]


@frozen(eq=False)
class _Seen:
    """What was seen of some applications."""

    samples: deque[Sample] = field(factory=deque)
    counters: deque[_Counters] = field(factory=deque)

    def forget(self, now: float) -> None:
        while self.counters and now - self.counters[0].at > SPAN:
            self.counters.popleft()
            self.samples.popleft()


class Overview:
    """The samples of one server."""

    def __init__(self, server: MeasuredServer, wall_clock: Callable[[], float] = time.time) -> None:
        self._server = server
        self._clock = wall_clock
        self._started = real_time()
        self._seen: dict[Apps, _Seen] = {}

    async def look(self, apps: Apps) -> dict[str, Any]:
        """Take a sample. `apps`: only what belongs to these; None: all."""
        seen = self._seen.pop(apps, None) or _Seen()
        self._seen[apps] = seen
        if len(self._seen) > MAX_SEEN:
            del self._seen[next(iter(self._seen))]
        streams = await self._streams(apps)
        now = real_time()
        seen.forget(now)
        counters = self._counters(streams, apps, now)
        seen.samples.append(self._sample(seen, streams, counters))
        seen.counters.append(counters)
        return {
            "uptime": int(now - self._started),
            "samples": [asdict(sample) for sample in seen.samples],
            "alarms": list(self._alarms(seen, apps)),
        }

    async def _streams(self, apps: Apps) -> "_Streams":
        found, budget = _Streams(), SliceBudget(STREAMS_AT_ONCE, SLICE_TIME)
        for stream in self._server.supervisor.all_streams():
            if budget.is_spent:
                await trio.lowlevel.checkpoint()
                budget = SliceBudget(STREAMS_AT_ONCE, SLICE_TIME)
            budget.spend(1)
            if stream.reason is None and (apps is None or stream.app_key in apps):
                found.add(stream.measure().traffic, published=stream.published)
        await trio.lowlevel.checkpoint()
        return found

    def _counters(self, streams: "_Streams", apps: Apps, now: float) -> _Counters:
        counts = self._server.dispatcher.sender.counts
        calls = {labels: count for labels, count in counts.calls.items() if apps is None or labels[0] in apps}
        waits = [histogram for labels, histogram in counts.seconds.items() if apps is None or labels[0] in apps]
        return _Counters(
            at=now,
            packets=streams.packets,
            lost=streams.lost,
            calls=sum(calls.values()),
            failed=sum(count for labels, count in calls.items() if labels[2] in ("error", "timeout", "unreachable")),
            hooks=_summed(waits),
            loop=_summed([self._server.overload.lags]) if apps is None else (),
        )

    def _sample(self, seen: _Seen, streams: "_Streams", now: _Counters) -> Sample:
        last = seen.counters[-1] if seen.counters else None
        base = _base(seen, now.at)
        return Sample(
            time=round(self._clock() * 1000),
            published=streams.published,
            played=streams.played,
            kbps_in=streams.kbps_in,
            kbps_out=streams.kbps_out,
            loss=None if last is None else _loss(last, now),
            rtt=round(streams.rtt_sum / streams.rtt_count) if streams.rtt_count else None,
            hooks=None if last is None else round((now.calls - last.calls) / max(now.at - last.at, 0.001), 1),
            hook_p95=None if base is None else _quantile(self._hook_bounds, base.hooks, now.hooks, 0.95),
            loop_p99=None if base is None else _quantile(self._loop_bounds, base.loop, now.loop, 0.99),
        )

    @property
    def _hook_bounds(self) -> tuple[float, ...]:
        histogram = next(iter(self._server.dispatcher.sender.counts.seconds.values()), None)
        return () if histogram is None else _bounds(histogram)

    @property
    def _loop_bounds(self) -> tuple[float, ...]:
        return _bounds(self._server.overload.lags)

    def _alarms(self, seen: _Seen, apps: Apps) -> Iterator[dict[str, Any]]:
        first, last = seen.counters[0], seen.counters[-1]
        calls, failed = last.calls - first.calls, last.failed - first.failed
        if failed >= MIN_FAILED and failed >= FAILING_SHARE * calls:
            yield {"kind": "hooks", "text": f"Hook calls are failing: {failed} of {calls} in the last two minutes."}
        states = self._server.dispatcher.sender.breakers.states()
        held = (app for app, state in states if state != CLOSED and (apps is None or app in apps))
        for app in islice(held, MAX_ALARMS):
            text = f"The backend of {app} has failed too often, and is not called; it is tried from time to time."
            yield {"kind": "breaker", "text": text}
        if apps is not None:
            return
        if self._server.overload.is_on:
            yield {"kind": "overload", "text": "The server is overloaded, and takes no new sessions and streams."}
        days = self._server.certificate.days_left
        if days < CERTIFICATE_DAYS:
            text = "The certificate has expired." if days < 0 else f"The certificate expires in {days} days."
            yield {"kind": "certificate", "text": text}


class _Streams:
    """Sums over streams."""

    def __init__(self) -> None:
        self.published = self.played = self.kbps_in = self.kbps_out = 0
        self.packets = self.lost = self.rtt_sum = self.rtt_count = 0

    def add(self, traffic: StreamTraffic, *, published: bool) -> None:
        if published:
            self.published += 1
            self.kbps_in += traffic.bitrate_kbps
        else:
            self.played += 1
            self.kbps_out += traffic.bitrate_kbps
        self.packets += traffic.packets
        self.lost += traffic.lost
        self.rtt_sum += traffic.round_trip_ms
        self.rtt_count += traffic.round_trip_ms > 0


def _loss(before: _Counters, now: _Counters) -> float | None:
    """In percent; None where streams have ended, and taken their counts away."""
    packets, lost = now.packets - before.packets, now.lost - before.lost
    return round(100 * lost / (packets + lost), 2) if packets > 0 and lost >= 0 else None


def _base(seen: _Seen, now: float) -> _Counters | None:
    """The oldest counters of the last minute."""
    return next((each for each in seen.counters if now - each.at <= WINDOW), None)


def _summed(histograms: Iterable[Histogram]) -> tuple[int, ...]:
    rows = [[count for _, count in histogram.cumulative()] for histogram in histograms]
    return tuple(map(sum, zip(*rows, strict=True)))


def _bounds(histogram: Histogram) -> tuple[float, ...]:
    return tuple(bound for bound, _ in histogram.cumulative() if bound is not None)


def _quantile(bounds: tuple[float, ...], before: tuple[int, ...], now: tuple[int, ...], share: float) -> float | None:
    """The bound, in milliseconds, that `share` of what came in between does not exceed."""
    grown = [count - (before[index] if before else 0) for index, count in enumerate(now)]
    if not grown or not grown[-1]:
        return None
    place = next(index for index, count in enumerate(grown) if count >= share * grown[-1])
    return bounds[min(place, len(bounds) - 1)] * 1000
