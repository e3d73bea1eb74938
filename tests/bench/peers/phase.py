"""One measurement: one server, so many viewers, from its start to its end.

    server starts -> publisher sends -> one viewer comes and goes -> memory -> pages open -> viewers join, one by one
    -> memory -> CPU, packets and delays for some seconds -> all viewers are ended by one call -> server stops
"""

import contextlib
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from tests.bench.peers.control import PeerProcess, Task
from tests.bench.peers.procfs import cpu_seconds, machine_busy_seconds, resident_bytes
from tests.bench.peers.servers import STREAM, Server

PROCESSES = 2
"""How many processes share the viewers."""
JOIN_TIMEOUT = 10.0
SETTLE = 1.0
AFTER_KICK = 2.0
"""Seconds in which a viewer that was ended must hear of it; the publisher goes on sending."""
NS_PER_MS = 1e6


@frozen(kw_only=True)
class Kick:
    """Times in ms after the call: the last packet at any viewer, and the message that ended each."""

    last_packet: float
    packets_after: int
    events: Sequence[float]
    unheard: int


@frozen(kw_only=True)
class Measurement:
    """What came out. Times in ms; `lost` counts packets sent in the window that a viewer did not get, `never` viewers
    that got none or had no picture."""

    server: str
    version: str
    viewers: int
    cpu: float
    foreign_cpu: float
    window: float
    packets: int
    lost: int
    repeated: int
    bad: int
    never: int
    bytes_per_viewer: float
    joins: Sequence[float]
    pictures: Sequence[float]
    delays: Sequence[float]
    kick: Kick
    profiles: tuple[str, ...]
    problems: tuple[str, ...]
    remark: str


@frozen(kw_only=True)
class _Window:
    """What was read at begin and end of the counting."""

    begin: int
    end: int
    cpu: float
    foreign_cpu: float


def measure(
    server: Server, name: str, folder: Path, host: str, *, viewers: int, seconds: float, join_interval: float
) -> Measurement:
    """Run all of it against a server that has just started."""
    server.prepare()
    task = Task(server=name, url=server.ws_url, stream=STREAM, host=host, folder=folder)
    with contextlib.ExitStack() as stack:
        publisher = stack.enter_context(PeerProcess("publisher", task, "publisher"))
        seats = [
            stack.enter_context(PeerProcess("viewers", task, f"viewers{number}"))
            for number in range(min(PROCESSES, viewers))
        ]
        publisher.ask("publish", timeout=30)
        memory = _join(server, seats, viewers, join_interval)
        window = _count(server, [publisher, *seats], seconds)
        remark = server.remark()
        called_at = server.kick()
        time.sleep(AFTER_KICK)
        sent_path, paths = folder / "sent", [folder / f"seen{number}" for number in range(len(seats))]
        publisher.ask("finish", path=str(sent_path), timeout=30)
        reports = [
            report
            for process, path in zip(seats, paths, strict=True)
            for report in process.ask("finish", path=str(path), timeout=60)["viewers"]
        ]
    seen = [_read(path) for path in paths]
    return _evaluate(name, server.version, window, _read(sent_path), seen, reports, memory / viewers, called_at, remark)


def _join(server: Server, seats: Sequence[PeerProcess], viewers: int, interval: float) -> int:
    """Have all viewers join; by how many bytes the server grew."""
    seats[0].ask("warm", timeout=30)
    time.sleep(SETTLE)
    before = resident_bytes(server.pid)
    for number, process in enumerate(seats):
        process.ask("connect", numbers=list(range(number, viewers, len(seats))), timeout=90)
    at = time.monotonic() + SETTLE
    for process in seats:
        process.tell("join", at=at, interval=interval, timeout=JOIN_TIMEOUT)
    for process in seats:
        process.answer(timeout=SETTLE + viewers * interval + JOIN_TIMEOUT + 10)
    time.sleep(SETTLE)
    return resident_bytes(server.pid) - before


def _count(server: Server, peers: Sequence[PeerProcess], seconds: float) -> _Window:
    def read() -> tuple[int, float, float]:
        own = cpu_seconds(server.pid)
        return time.monotonic_ns(), own, machine_busy_seconds() - own - sum(cpu_seconds(peer.pid) for peer in peers)

    begin, cpu, foreign = read()
    time.sleep(seconds)
    end, cpu_after, foreign_after = read()
    return _Window(begin=begin, end=end, cpu=cpu_after - cpu, foreign_cpu=foreign_after - foreign)


def _read(path: Path) -> "array[int]":
    numbers = array("q")
    with path.open("rb") as file:
        numbers.frombytes(file.read())
    return numbers


def _evaluate(
    name: str,
    version: str,
    window: _Window,
    sent: "array[int]",
    seen: Sequence["array[int]"],
    reports: Sequence[dict[str, Any]],
    bytes_per_viewer: float,
    called_at: int,
    remark: str,
) -> Measurement:
    wanted = {index for index, at in enumerate(sent) if window.begin <= at < window.end}
    got: Counter[int] = Counter()
    delays = array("d")
    packets = distinct = after = 0
    last = called_at
    for rows in seen:
        copies: set[tuple[int, int]] = set()
        for number, index, arrived in zip(rows[0::3], rows[1::3], rows[2::3], strict=True):
            if window.begin <= arrived < window.end:
                packets += 1
            if index in wanted:
                got[number] += 1
                copies.add((number, index))
                delays.append((arrived - sent[index]) / NS_PER_MS)
            if arrived > called_at:
                after += 1
                last = max(last, arrived)
        distinct += len(copies)
    return Measurement(
        server=name,
        version=version,
        viewers=len(reports),
        cpu=window.cpu,
        foreign_cpu=window.foreign_cpu,
        window=(window.end - window.begin) / 1e9,
        packets=packets,
        lost=len(wanted) * len(reports) - distinct,
        repeated=sum(got.values()) - distinct,
        bad=sum(report["bad"] for report in reports),
        never=sum(not report["picture_at"] for report in reports),
        bytes_per_viewer=bytes_per_viewer,
        joins=_since(reports, "first_at", "asked_at"),
        pictures=_since(reports, "picture_at", "asked_at"),
        delays=delays,
        kick=Kick(
            last_packet=(last - called_at) / NS_PER_MS,
            packets_after=after,
            events=[(report["ended_at"] - called_at) / NS_PER_MS for report in reports if report["ended_at"]],
            unheard=sum(not report["ended_at"] for report in reports),
        ),
        profiles=tuple(sorted({report["profile"] for report in reports})),
        problems=tuple(problem for report in reports for problem in report["problems"]),
        remark=remark,
    )


def _since(reports: Sequence[dict[str, Any]], event: str, start: str) -> list[float]:
    return [(report[event] - report[start]) / NS_PER_MS for report in reports if report[event]]
