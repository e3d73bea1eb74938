"""The text format of Prometheus, version 0.0.4, written a piece at a time, so that other tasks get turns in between.

prometheus-client writes the text. Nothing of it is used where things are counted: see protocol/metrics.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import trio
from prometheus_client import GCCollector, ProcessCollector, generate_latest
from prometheus_client.core import CollectorRegistry, CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from actors.runtime.slices import slices
from protocol.metrics.families import BY_NAME, Family, FamilyKind
from protocol.metrics.histogram import Histogram
from protocol.metrics.labels import Labels

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
SAMPLES_AT_ONCE: Final = 200
"""Samples written in one go: less than a millisecond's work."""

Reading = float | Histogram | Mapping[Labels, float] | Mapping[Labels, Histogram]
"""The value of a family without labels, or the values of one with labels, by these."""
Readings = Mapping[str, Reading]
"""By the name of the family."""
Source = Callable[[], Readings]


async def exposition(readings: Readings, registry: CollectorRegistry) -> bytes:
    """All families of `readings`, then those of the registry."""
    parts: list[bytes] = []
    for name, reading in readings.items():
        for index, piece in enumerate(_pieces(BY_NAME[name], reading)):
            parts.append(_text(piece, with_head=not index))
            await trio.lowlevel.checkpoint()
    for family in registry.collect():
        parts.append(_text(family))
        await trio.lowlevel.checkpoint()
    return b"".join(parts)


def process_registry() -> CollectorRegistry:
    """A registry with what the library itself knows of the process and its garbage collector."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class _OneFamily:
    """As `generate_latest` takes it."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterator[Metric]:
        yield self._family


def _text(family: Metric, *, with_head: bool = True) -> bytes:
    text = generate_latest(_OneFamily(family))
    return text if with_head else text.split(b"\n", 2)[2]  # without HELP and TYPE


def _pieces(family: Family, reading: Reading) -> Iterator[Metric]:
    """The family in pieces of at most about SAMPLES_AT_ONCE samples; at least one."""
    values: Mapping[Labels, float | Histogram] = reading if isinstance(reading, Mapping) else {(): reading}
    is_histogram = family.kind is FamilyKind.HISTOGRAM
    most = SAMPLES_AT_ONCE // 15 if is_histogram else SAMPLES_AT_ONCE
    if not values:
        yield _metric(family, ())
    for some in slices(values.items(), most):
        yield _metric(family, some)


def _metric(family: Family, values: tuple[tuple[Labels, float | Histogram], ...]) -> Metric:
    match family.kind:
        case FamilyKind.COUNTER:
            metric: Metric = CounterMetricFamily(family.name, family.meaning, labels=family.labels)
        case FamilyKind.GAUGE:
            metric = GaugeMetricFamily(family.name, family.meaning, labels=family.labels)
        case FamilyKind.HISTOGRAM:
            metric = HistogramMetricFamily(family.name, family.meaning, labels=family.labels)
    for labels, value in values:
        _add(metric, labels, value)
    return metric


def _add(metric: Metric, labels: Labels, value: float | Histogram) -> None:
    if isinstance(metric, HistogramMetricFamily) and isinstance(value, Histogram):
        metric.add_metric(labels, [(_bound(bound), count) for bound, count in value.cumulative()], value.sum)
    elif isinstance(metric, CounterMetricFamily | GaugeMetricFamily) and not isinstance(value, Histogram):
        metric.add_metric(labels, value)
    else:
        raise TypeError(f"{metric.name} cannot have the value {value!r}")


def _bound(bound: float | None) -> str:
    """As the label `le` has it."""
    return "+Inf" if bound is None else repr(bound)
