"""Measurements as a Markdown table, and the targets beside it."""

import itertools
import math
from array import array
from collections.abc import Iterable, Iterator, Sequence

from attrs import frozen

from tests.bench.media.peers.measurement import Kick, Measurement

_KIB = 1024
_HEAD = (
    "publishers x viewers",
    "server",
    "ratio",
    "CPU us/packet out",
    "us/packet in",
    "% of a core",
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
    """All rounds of one server with one number of publishers and of viewers of each, taken together."""

    server: str
    publishers: int
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
    def cpu_in(self) -> float:
        """CPU time per packet that came in, in us, over all rounds."""
        came_in = sum(each.came_in for each in self.rounds)
        return sum(each.window.cpu for each in self.rounds) / came_in * 1e6 if came_in else math.nan

    @property
    def load(self) -> float:
        """Percent of a core."""
        return 100 * sum(each.window.cpu for each in self.rounds) / sum(each.window.seconds for each in self.rounds)

    @property
    def kicks(self) -> list[Kick]:
        return [each.kick for each in self.rounds if each.kick is not None]

    @property
    def memory(self) -> float:
        """KiB per viewer; the mean of the rounds."""
        return sum(each.bytes_per_viewer for each in self.rounds) / len(self.rounds) / _KIB

    @property
    def last_packet(self) -> float:
        return max((kick.last_packet for kick in self.kicks), default=math.nan)

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
        return self.pooled(kick.events for kick in self.kicks)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that is not below `share` of all (nearest rank); NaN of none."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def results(measurements: Iterable[Measurement]) -> list[Result]:
    """Rounds put together, by publishers, viewers and server."""
    grouped: dict[tuple[int, int, str], list[Measurement]] = {}
    for each in measurements:
        grouped.setdefault((each.publishers, each.viewers, each.server), []).append(each)
    return [
        Result(server=server, publishers=publishers, viewers=viewers, rounds=rounds)
        for (publishers, viewers, server), rounds in sorted(grouped.items())
    ]


def progress(measurement: Measurement) -> str:
    """One measurement in a line, as soon as it is there."""
    cost = measurement.window.cpu / max(measurement.packets, 1) * 1e6
    delays = sorted(measurement.delays)
    parts = [f"{cost:.1f} us/packet", f"{measurement.packets} packets", f"{measurement.lost} lost"]
    parts += [
        f"delay {_pair(delays, 2)} ms",
        f"others' CPU {measurement.window.foreign_cpu / measurement.window.seconds:.2f}",
    ]
    parts += [f"publisher's longest pause {measurement.publisher_pause:.0f} ms", measurement.remark]
    parts += sorted(set(measurement.problems))
    return f"{measurement.server}, {measurement.publishers} x {measurement.viewers}: {', '.join(filter(None, parts))}"


def table(measured: Sequence[Result]) -> Iterator[str]:
    """The Markdown table; times in ms. A ratio stands only where nothing was lost on either side."""
    yield f"| {' | '.join(_HEAD)} |"
    yield f"|{'---|' * len(_HEAD)}"
    for result in measured:
        yield f"| {' | '.join(_row(result, ratio(measured, result)))} |"


def ratio(measured: Sequence[Result], result: Result) -> float | None:
    """A server's CPU per packet over Janus'; None for Janus itself, and where a packet or a viewer was lost."""
    place = result.publishers, result.viewers
    others = [each for each in measured if (each.publishers, each.viewers) == place and each.server == "Janus"]
    if result.server == "Janus" or not others or not (result.sound and others[0].sound):
        return None
    return result.cpu / others[0].cpu


def _row(result: Result, against: float | None) -> Iterator[str]:
    yield f"{result.publishers} x {result.viewers}"
    yield result.server
    yield "-" if against is None else f"{against:.2f}"
    yield f"{result.cpu:.1f} ({_spread([each.window.cpu / max(each.packets, 1) * 1e6 for each in result.rounds])})"
    yield f"{result.cpu_in:.1f}"
    yield f"{result.load:.1f}"
    yield f"{result.memory:.0f}"
    yield _pair(result.joins, 0)
    yield _pair(result.pictures, 0)
    yield _pair(result.delays, 2)
    yield f"{result.last_packet:.1f}" if result.kicks else "-"
    yield _pair(result.events, 1) if result.kicks else "-"
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
        "not told of the end": sum(kick.discard for kick in result.kicks),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "0"


def targets(measured: Sequence[Result]) -> Iterator[str]:
    """One line for each target of wcsd: with many publishers, and with many viewers of one."""
    for result in measured:
        if result.server == "wcsd":
            against = ratio(measured, result)
            for what, value, limit in _limits(result, against):
                reached = "not measured" if value is None else f"{value:.2f}"
                met = value is not None and value <= limit
                name = f"{result.publishers} x {result.viewers}"
                yield f"- {name}, {what}: {reached}, target {limit:g}: {'met' if met else 'MISSED'}"


_FEW_VIEWERS_RATIO = {(5, 1): 0.6, (20, 2): 0.45, (100, 3): 0.45}


def _limits(result: Result, against: float | None) -> list[tuple[str, float | None, float]]:
    place = result.publishers, result.viewers
    if place in _FEW_VIEWERS_RATIO:
        return [
            ("packets lost", result.lost, 0),
            ("CPU ratio", against, _FEW_VIEWERS_RATIO[place]),
            ("delay p99 ms", percentile(result.delays, 0.99), 10),
        ]
    if result.publishers == 1 and result.viewers >= 100:
        return [
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
    return []
