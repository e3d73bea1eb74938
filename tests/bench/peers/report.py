"""Measurements as a Markdown table, and the targets beside it."""

import itertools
import math
from array import array
from collections.abc import Iterable, Iterator, Sequence

from attrs import frozen

from tests.bench.peers.measurement import Measurement

_KIB = 1024
_HEAD = (
    "viewers",
    "server",
    "CPU us/packet",
    "ratio",
    "KiB/viewer",
    "join p50 / p99",
    "picture p50 / p99",
    "delay p50 / p99",
    "kick: last packet",
    "kick: event p50 / p99",
    "lost",
    "others' CPU",
)


@frozen(kw_only=True)
class Result:
    """All rounds of one server at one number of viewers, taken together."""

    server: str
    viewers: int
    rounds: Sequence[Measurement]

    @property
    def sound(self) -> bool:
        """Did every viewer get everything, and nothing else?"""
        return not any(each.lost or each.bad or each.never for each in self.rounds)

    @property
    def lost(self) -> int:
        """Packets that did not get to a viewer."""
        return sum(each.lost for each in self.rounds)

    @property
    def cpu(self) -> float:
        """CPU time per forwarded packet in us, over all rounds."""
        packets = sum(each.packets for each in self.rounds)
        return sum(each.window.cpu for each in self.rounds) / packets * 1e6 if packets else math.nan

    @property
    def memory(self) -> float:
        """KiB per viewer; the mean of the rounds."""
        return sum(each.bytes_per_viewer for each in self.rounds) / len(self.rounds) / _KIB

    @property
    def last_packet(self) -> float:
        return max(each.kick.last_packet for each in self.rounds)

    def pooled(self, values: Iterable[Sequence[float]]) -> "array[float]":
        return array("d", sorted(itertools.chain.from_iterable(values)))

    @property
    def joins(self) -> "array[float]":
        return self.pooled(each.joins for each in self.rounds)

    @property
    def pictures(self) -> "array[float]":
        return self.pooled(each.pictures for each in self.rounds)

    @property
    def delays(self) -> "array[float]":
        return self.pooled(each.delays for each in self.rounds)

    @property
    def events(self) -> "array[float]":
        return self.pooled(each.kick.events for each in self.rounds)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that is not below `share` of all (nearest rank); NaN of none."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def results(measurements: Iterable[Measurement]) -> list[Result]:
    """Rounds put together, by viewers and server in the order measured."""
    grouped: dict[tuple[int, str], list[Measurement]] = {}
    for each in measurements:
        grouped.setdefault((each.viewers, each.server), []).append(each)
    return [
        Result(server=server, viewers=viewers, rounds=rounds) for (viewers, server), rounds in sorted(grouped.items())
    ]


def progress(measurement: Measurement) -> str:
    """One measurement in a line, as soon as it is there."""
    cost = measurement.window.cpu / max(measurement.packets, 1) * 1e6
    parts = [f"{cost:.1f} us/packet", f"{measurement.packets} packets", f"{measurement.lost} lost"]
    parts += [f"publisher's longest pause {measurement.publisher_pause:.0f} ms", measurement.remark]
    parts += sorted(set(measurement.problems))
    return f"{measurement.server}, {measurement.viewers} viewers: {', '.join(filter(None, parts))}"


def table(measured: Sequence[Result]) -> Iterator[str]:
    """The Markdown table; times in ms. A ratio stands only where nothing was lost on either side."""
    yield f"| {' | '.join(_HEAD)} |"
    yield f"|{'---|' * len(_HEAD)}"
    for result in measured:
        yield f"| {' | '.join(_row(result, ratio(measured, result)))} |"


def ratio(measured: Sequence[Result], result: Result) -> float | None:
    """wcsd's CPU per packet over Janus'; None for Janus itself, and where a packet or a viewer was lost."""
    others = [each for each in measured if each.viewers == result.viewers and each.server == "Janus"]
    if result.server == "Janus" or not others or not (result.sound and others[0].sound):
        return None
    return result.cpu / others[0].cpu


def _row(result: Result, against: float | None) -> Iterator[str]:
    yield str(result.viewers)
    yield result.server
    yield f"{result.cpu:.1f} ({_spread([each.window.cpu / max(each.packets, 1) * 1e6 for each in result.rounds])})"
    yield "" if against is None else f"{against:.2f}"
    yield f"{result.memory:.0f}"
    yield _pair(result.joins, 0)
    yield _pair(result.pictures, 0)
    yield _pair(result.delays, 2)
    yield f"{result.last_packet:.1f}"
    yield _pair(result.events, 1)
    yield _losses(result)
    windows = [each.window for each in result.rounds]
    yield f"{sum(each.foreign_cpu for each in windows) / sum(each.seconds for each in windows):.2f}"


def _spread(values: Sequence[float]) -> str:
    return f"{min(values):.1f} to {max(values):.1f}"


def _pair(ordered: Sequence[float], digits: int) -> str:
    return f"{percentile(ordered, 0.5):.{digits}f} / {percentile(ordered, 0.99):.{digits}f}"


def _losses(result: Result) -> str:
    counts = {
        "packets": result.lost,
        "repeated": sum(each.repeated for each in result.rounds),
        "bad": sum(each.bad for each in result.rounds),
        "viewers without picture": sum(each.never for each in result.rounds),
        "not told of the end": sum(each.kick.discard for each in result.rounds),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "0"


def targets(measured: Sequence[Result]) -> Iterator[str]:
    """One line for each target of wcsd at 100 and more viewers."""
    for result in measured:
        if result.server == "wcsd" and result.viewers >= 100:
            against = ratio(measured, result)
            limits: list[tuple[str, float | None, float]] = [
                ("packets lost", result.lost, 0),
                ("CPU ratio", against, 0.25),
                ("KiB a viewer", result.memory, 250),
                ("join p50 ms", percentile(result.joins, 0.5), 25),
                ("join p99 ms", percentile(result.joins, 0.99), 60),
                ("delay p50 ms", percentile(result.delays, 0.5), 4),
                ("delay p99 ms", percentile(result.delays, 0.99), 20),
                ("kick last packet ms", result.last_packet, 5),
                ("kick event p99 ms", percentile(result.events, 0.99), 15),
            ]
            for what, value, limit in limits:
                reached = "not measured" if value is None else f"{value:.2f}"
                met = value is not None and value <= limit
                yield f"- {result.viewers} viewers, {what}: {reached}, target {limit:g}: {'met' if met else 'MISSED'}"
