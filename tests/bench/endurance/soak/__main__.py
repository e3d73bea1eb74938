"""Hundreds of viewers that come and go for half an hour: does anything grow, leak or slow down?

    python -m tests.bench.endurance.soak                     300 viewers, one in two changes a second, 30 minutes
    python -m tests.bench.endurance.soak --viewers 30 --minutes 1

The real server, one publisher (VP8, 125 packets/s), viewers with real ICE, DTLS and SRTP through the public WebSocket.
Every row of the table is one interval; the last one is what is left when all have gone.
"""

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from array import array
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
from attrs import define, field

from actors.net.network_interfaces import machine_addresses
from tests.bench.endurance.soak.server import ACCOUNT, ASK
from tests.bench.media.peers.control import PeerProcess, Task, read
from tests.bench.media.peers.procfs import cpu_seconds, machine, resident_bytes
from tests.bench.media.peers.servers import STREAM
from tests.support.servers.server_process import ServerProcess, running_server

PROCESSES = 2
INTERVAL = 30.0  # seconds between two samples
FILLING = 0.05  # seconds between two joins at the beginning
GONE_AFTER = 5.0  # seconds in which the server is to forget those who left
COLUMNS = (
    *("minute", "viewers", "players", "addresses", "MiB", "files", "mappings", "CPU"),
    *("lost", "join p50 / p99", "delay p50 / p99"),
)


@define(eq=False)
class Row:
    """One interval. `until` in CLOCK_MONOTONIC ns; `delays` and `joins` in ms."""

    minute: float
    until: int
    here: int
    lost: int
    failed: int
    ended: int
    bad: int
    stat: Mapping[str, str]
    memory: int
    files: int
    mappings: int
    cpu: float
    joins: Sequence[float]
    delays: list[float] = field(factory=list)

    def text(self) -> str:
        return (
            f"| {self.minute:.1f} | {self.here} | {self.stat['players']} | {self.stat['addresses']} "
            f"| {self.memory / 2**20:.1f} | {self.files} | {self.mappings} | {self.cpu:.0%} | {self.lost} "
            f"| {_quantiles(self.joins)} | {_quantiles(self.delays)} |"
        )


class Soak:
    """The server, its publisher and the crowd."""

    def __init__(self, server: ServerProcess, stack: ExitStack, folder: Path, host: str) -> None:
        self._server = server
        self._folder = folder
        task = Task(server="wcsd", url=server.ws_url(), stream=STREAM, host=host, folder=folder)
        self._publisher = stack.enter_context(PeerProcess("media.peers.publisher", task, "publisher"))
        self._crowds = [
            stack.enter_context(PeerProcess("endurance.soak.viewers", task, f"viewers{number}"))
            for number in range(PROCESSES)
        ]
        self._client = stack.enter_context(httpx.Client(trust_env=False, timeout=30))
        self._began = time.monotonic()
        self._cpu = (0.0, 0.0)
        self.rows: list[Row] = []

    def run(self, viewers: int, changes: float, minutes: float) -> None:
        """Fill, let them come and go, and end."""
        self._publisher.ask("publish", timeout=30)
        each = viewers // PROCESSES
        for crowd in self._crowds:
            crowd.tell("fill", count=each, interval=FILLING)
        for crowd in self._crowds:
            crowd.answer(timeout=each * (FILLING + 1) + 30)
        for crowd in self._crowds:
            crowd.ask("churn", interval=PROCESSES / changes, timeout=5)
        self._began = time.monotonic()
        self._sample(show=False)
        count = max(1, round(minutes * 60 / INTERVAL))
        for number in range(1, count + 1):
            time.sleep(max(0.0, self._began + number * min(INTERVAL, minutes * 60) - time.monotonic()))
            self._sample()

    def end(self) -> None:
        """All leave; what is left is the last row."""
        for number, crowd in enumerate(self._crowds):
            crowd.ask("finish", path=str(self._folder / f"seen{number}"), timeout=60)
        time.sleep(GONE_AFTER)
        self._sample()
        path = self._folder / "sent"
        self._publisher.ask("finish", path=str(path), timeout=30)
        self._place_delays(read(path))

    def collector(self) -> dict[str, Sequence[float]]:
        """The account of the server's garbage collector."""
        os.kill(self._server.pid, ASK)
        self._server.wait_until(lambda: ACCOUNT in self._server.log(), what=ACCOUNT)
        line = next(line for line in self._server.log().splitlines() if line.startswith(ACCOUNT))
        account: dict[str, Sequence[float]] = json.loads(line.removeprefix(ACCOUNT))
        return account

    def _sample(self, *, show: bool = True) -> None:
        answers = [crowd.ask("sample", timeout=60) for crowd in self._crowds]
        pid, now = self._server.pid, time.monotonic()
        cpu = cpu_seconds(pid), now
        share = (cpu[0] - self._cpu[0]) / (cpu[1] - self._cpu[1])
        self._cpu = cpu
        row = Row(
            minute=(now - self._began) / 60,
            until=time.monotonic_ns(),
            **{key: sum(answer[key] for answer in answers) for key in ("here", "lost", "failed", "ended", "bad")},
            stat=self._statistics(),
            memory=resident_bytes(pid),
            files=len(list(Path(f"/proc/{pid}/fd").iterdir())),
            mappings=len(Path(f"/proc/{pid}/maps").read_text().splitlines()),
            cpu=share,
            joins=[join for answer in answers for join in answer["joins"]],
        )
        self.rows.append(row)
        if show:
            print(row.text(), file=sys.stderr, flush=True)

    def _statistics(self) -> dict[str, str]:
        text = self._client.get(self._server.http_url("/?action=stat")).text
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def _place_delays(self, sent: "array[int]") -> None:
        for number in range(PROCESSES):
            seen = read(self._folder / f"seen{number}")
            for index, arrival in zip(seen[0::2], seen[1::2], strict=True):
                row = next(row for row in self.rows if arrival <= row.until)
                row.delays.append((arrival - sent[index]) / 1e6)


def main(arguments: Sequence[str]) -> int:
    """Run and print; the exit code is 0 when it ran to its end, whatever came out."""
    options = _parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    load = os.getloadavg()[0]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wcsd-soak-")))
        settings = {"ip": options.address}
        server = stack.enter_context(running_server(folder, settings, module="tests.bench.endurance.soak.server"))
        soak = Soak(server, stack, folder, options.address)
        soak.run(options.viewers, options.changes, options.minutes)
        soak.end()
        print(
            f"| {' | '.join(COLUMNS)} |",
            "|---" * len(COLUMNS) + "|",
            *(row.text() for row in soak.rows[1:]),
            "",
            sep="\n",
        )
        print(*_verdict(soak.rows[1:-1]), *_pauses(soak.collector()), sep="\n")
    print(f"{machine()}; load {load:.1f} before, {os.getloadavg()[0]:.1f} after")
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.endurance.soak", description="viewers that come and go"
    )
    parser.add_argument("--viewers", type=int, default=300, help="viewers at a time (300)")
    parser.add_argument("--changes", type=float, default=2.0, help="viewers that leave, and that join, a second (2)")
    parser.add_argument("--minutes", type=float, default=30.0, help="length (30, at most 120)")
    addresses = [address for address in machine_addresses() if ":" not in address and not address.startswith("127.")]
    parser.add_argument("--address", default=next(iter(addresses), "127.0.0.1"), help="IPv4 address of this machine")
    options = parser.parse_args(arguments)
    if not (2 <= options.viewers <= 1000 and 0 < options.changes <= 20 and 0 < options.minutes <= 120):
        parser.error("2 to 1000 viewers, up to 20 changes a second, up to 120 minutes")
    return options


def _verdict(rows: Sequence[Row]) -> list[str]:
    """What changed from the first third to the last."""
    third = max(1, len(rows) // 3)
    first, last = rows[:third], rows[-third:]
    minutes = max(last[-1].minute - first[0].minute, 0.1) * 2 / 3
    growth = (_mean(row.memory for row in last) - _mean(row.memory for row in first)) / 1024
    tails = [statistics.median(_p99(row.delays) for row in part) for part in (first, last)]
    return [
        f"memory: {growth:+.0f} KiB from the first third to the last, {growth / minutes:+.1f} KiB a minute",
        f"p99 of the delay: {tails[0]:.1f} ms in the first third, {tails[1]:.1f} ms in the last (medians of intervals)",
        (
            f"lost {sum(row.lost for row in rows)}, joins {sum(len(row.joins) for row in rows)}, "
            f"failed joins {sum(row.failed for row in rows)}, ended by the server {sum(row.ended for row in rows)}, "
            f"undecryptable {sum(row.bad for row in rows)}"
        ),
    ]


def _pauses(account: Mapping[str, Sequence[float]]) -> list[str]:
    return [
        f"collector, generation {generation}: {count:.0f} times, {total * 1000:.0f} ms in all, "
        f"longest {longest * 1000:.1f} ms"
        for generation, (count, total, longest) in account.items()
    ]


def _mean(values: Any) -> float:
    return statistics.fmean(values)


def _p99(values: Sequence[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)] if values else 0.0


def _quantiles(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.1f} / {_p99(values):.1f}" if values else "-"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
