"""One measurement: one server, so many viewers, from its start to its end.

server starts -> publisher sends -> one viewer comes and goes -> memory -> pages open -> viewers join, one by one
-> memory -> CPU, packets and delays for some seconds -> all viewers of a single publisher are ended by one call
-> server stops
"""

import contextlib
import itertools
import time
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from tests.bench.media.peers import measurement
from tests.bench.media.peers.control import PeerProcess, Task, read
from tests.bench.media.peers.measurement import Measurement, Tally, Window
from tests.bench.media.peers.procfs import cpu_seconds, machine_busy_seconds, resident_bytes
from tests.bench.media.peers.servers import STREAM, Server

PROCESSES = 2
"""How many processes share the viewers."""
JOIN_TIMEOUT = 10.0
SETTLE = 1.0
AFTER_KICK = 2.0
"""Seconds in which a viewer that was ended must hear of it; the publisher goes on sending."""
REST = 0.5
"""Seconds from the kick on in which the viewers' processes read nothing: else they took the processors from the server,
one of which they would not share with it if they were on other machines. When it told them is known from the kernel."""


@frozen(kw_only=True)
class Plan:
    """What is to be measured, on which address; `folder` is for what the peers write."""

    server: str
    publishers: int
    viewers: int
    """Of each publisher."""
    seconds: float
    join_interval: float
    host: str
    folder: Path
    gap: float

    @property
    def all_viewers(self) -> int:
        return self.publishers * self.viewers


def measure(server: Server, plan: Plan) -> Measurement:
    """Run all of it against a server that has just started."""
    task = _task(server, plan)
    for number in range(plan.publishers):
        server.prepare(task.stream_of(number))
    with contextlib.ExitStack() as stack:
        publisher = stack.enter_context(PeerProcess("media.peers.publisher", task, "publisher"))
        seats = [
            stack.enter_context(PeerProcess("media.peers.viewers", task, f"viewers{number}"))
            for number in range(min(PROCESSES, plan.all_viewers))
        ]
        publisher.ask("publish", timeout=30 + plan.publishers)
        grown = _join(server, seats, plan)
        window = _count(server, [publisher, *seats], plan.seconds)
        remark = server.remark()
        time.sleep(SETTLE)  # what was sent while counting is to arrive before anything ends
        called_at = _kick(server, seats) if plan.publishers == 1 else 0
        time.sleep(AFTER_KICK if called_at else 0)
        tally = Tally(window, _finish_publishers(publisher, plan.folder), plan.viewers, called_at)
        reports = [report for process in seats for report in _finish_viewers(process, plan.folder, tally)]
    return _measurement(server, plan, window, tally, reports, grown, remark)


def _task(server: Server, plan: Plan) -> Task:
    return Task(
        server=plan.server,
        url=server.ws_url,
        stream=STREAM,
        host=plan.host,
        folder=plan.folder,
        gap=plan.gap,
        publishers=plan.publishers,
        audience=plan.viewers,
    )


def _measurement(
    server: Server,
    plan: Plan,
    window: Window,
    tally: Tally,
    reports: Sequence[dict[str, Any]],
    grown: int,
    remark: str,
) -> Measurement:
    return Measurement(
        server=plan.server,
        version=server.version,
        publishers=plan.publishers,
        viewers=plan.viewers,
        window=window,
        came_in=tally.came_in,
        packets=tally.packets,
        lost=tally.lost,
        repeated=tally.repeated,
        bad=sum(report["bad"] for report in reports),
        never=sum(not report["picture_at"] for report in reports),
        bytes_per_viewer=grown / plan.all_viewers,
        joins=measurement.times(reports, "first_at"),
        pictures=measurement.times(reports, "picture_at"),
        delays=tally.delays,
        kick=measurement.kick(tally, reports) if tally.called_at else None,
        publisher_pause=tally.publisher_pause,
        profiles=tuple(sorted({report["profile"] for report in reports if report["profile"]})),
        problems=tuple(problem for report in reports for problem in report["problems"]),
        remark=remark,
    )


def _join(server: Server, seats: Sequence[PeerProcess], plan: Plan) -> int:
    """Have all viewers join; by how many bytes the server grew."""
    seats[0].ask("warm", timeout=30)
    time.sleep(SETTLE)
    before = resident_bytes(server.pid)
    for number, process in enumerate(seats):
        process.ask("connect", numbers=list(range(number, plan.all_viewers, len(seats))), timeout=90)
    at = time.monotonic() + SETTLE
    for process in seats:
        process.tell("join", at=at, interval=plan.join_interval, timeout=JOIN_TIMEOUT)
    for process in seats:
        process.answer(timeout=SETTLE + plan.all_viewers * plan.join_interval + JOIN_TIMEOUT + 10)
    time.sleep(SETTLE)
    return resident_bytes(server.pid) - before


def _count(server: Server, peers: Sequence[PeerProcess], seconds: float) -> Window:
    def read() -> tuple[int, float, float]:
        own = cpu_seconds(server.pid)
        return time.monotonic_ns(), own, machine_busy_seconds() - own - sum(cpu_seconds(peer.pid) for peer in peers)

    begin, cpu, foreign = read()
    time.sleep(seconds)
    end, cpu_after, foreign_after = read()
    return Window(begin=begin, end=end, cpu=cpu_after - cpu, foreign_cpu=foreign_after - foreign)


def _kick(server: Server, seats: Sequence[PeerProcess]) -> int:
    """End all viewers; when that was asked for."""
    for process in seats:
        process.ask("rest", seconds=REST, timeout=10)
    return server.kick()


def _finish_publishers(process: PeerProcess, folder: Path) -> "list[array[int]]":
    """Stop sending; when each packet of each publisher was sent."""
    path = folder / "sent"
    counts = process.ask("finish", path=str(path), timeout=30)["packets"]
    ends = list(itertools.accumulate(counts))
    sent = read(path)
    return [sent[end - count : end] for count, end in zip(counts, ends, strict=True)]


def _finish_viewers(process: PeerProcess, folder: Path, tally: Tally) -> list[dict[str, Any]]:
    """Count what the viewers of a process saw; their reports."""
    path = folder / "seen"
    reports: list[dict[str, Any]] = process.ask("finish", path=str(path), timeout=60)["viewers"]
    tally.add(read(path))
    return reports
