"""What rooms cost: many small ones, and a large one. Run by hand: `python -m tests.bench.rooms` (`--help`).

The server is a process of its own, and so are the pages (`pages.py`), which speak to it over WebSocket. They join at an
even rate; the latency of a join is the time until its STATE has come. Then they send messages: each to every other in
its room where rooms are small, and by REST (`room/send`) one to everybody. Processor time is that of the server.
"""

import argparse
import json
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import IO, Any

from tests.bench.media.fanout_audience import ROOT, allow_many_sockets, load
from tests.support.servers.server_process import ServerProcess, running_server

DAY_MS = 86_400_000
TIME_LIMIT = 15 * 60  # seconds
HEAD = f"{'rooms':>5} {'of':>4} {'joins/s':>7} {'join p50 ms':>11} {'p99':>7} {'CPU us':>7}"
HEAD += f" {'an event':>8} | {'one to one p50 ms':>17} {'p99':>7} {'CPU us':>7} | {'one to all us':>13} {'load':>5}"


class Pages:
    """The process that holds the pages."""

    def __init__(self, server: ServerProcess) -> None:
        (address,) = server.addresses["ws"]
        command = [sys.executable, "-m", "tests.bench.rooms.pages", "127.0.0.1", str(address.port)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in: IO[str] = self._process.stdin
        self._out: IO[str] = self._process.stdout

    def begin(self, **command: Any) -> None:
        """Have something done, which goes on."""
        self._in.write(json.dumps(command) + "\n")
        self._in.flush()

    def done(self) -> list[float]:
        """Wait until it is done; the latencies in milliseconds."""
        latencies: list[float] = json.loads(self._out.readline())
        return latencies

    def close(self) -> None:
        self._in.close()
        self._process.wait(30)
        self._out.close()


def main() -> None:
    """Measure what the command line asks for, and print it."""
    arguments = _arguments()
    signal.alarm(TIME_LIMIT)
    allow_many_sockets()
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 4096:
        raise SystemExit("too few descriptors: raise the limit (ulimit -n)")
    settings = {
        "ip": "127.0.0.1",
        "log.level": "warning",
        "keep_alive.server_interval": DAY_MS,
        "max_sessions_per_address": 10_000,
        "ws.max_upgrades_per_address": 10_000,
        "rooms.max_members": 1000,
    }
    print(f"load before {load():.1f}\n{HEAD}", flush=True)
    for rooms, size, rate in ((1000, 3, arguments.rate), (1, 500, arguments.large_rate)):
        for _ in range(arguments.rounds):
            with tempfile.TemporaryDirectory() as folder, running_server(Path(folder), settings) as server:
                pages = Pages(server)
                try:
                    print(_row(server, pages, rooms, size, rate, arguments), flush=True)
                finally:
                    pages.close()


def _row(server: ServerProcess, pages: Pages, rooms: int, size: int, rate: int, arguments: argparse.Namespace) -> str:
    pages.begin(do="connect", rooms=rooms, size=size)
    pages.done()
    joins, join_cpu = _measured(server, pages, do="join", rate=rate)
    events = rooms * size * (size - 1) // 2 + rooms * size  # each JOINED, and each STATE
    messages = min(arguments.messages, rooms * size * (size - 1))
    said, message_cpu = _measured(server, pages, do="say", count=messages, rate=arguments.message_rate)
    figures = [f"{rooms:>5} {size:>4} {rate:>7}", *_spread(joins, 11), f"{join_cpu / len(joins):7.0f}"]
    figures += [f"{join_cpu / events:8.1f} |", *_spread(said, 17), f"{message_cpu / messages:7.1f} |"]
    to_all = f"{_told_to_all(server, pages, size, arguments.sends):13.1f}" if rooms == 1 else f"{'-':>13}"
    return " ".join((*figures, to_all, f"{load():5.1f}"))


def _measured(server: ServerProcess, pages: Pages, **command: Any) -> tuple[list[float], float]:
    """The latencies of what the pages do, and the server's microseconds for all of it."""
    before = _cpu_time(server.pid)
    pages.begin(**command)
    latencies = pages.done()
    return latencies, (_cpu_time(server.pid) - before) * 1e6


def _told_to_all(server: ServerProcess, pages: Pages, size: int, sends: int) -> float:
    """The server's microseconds for each receiver of a message that REST sends to the whole room."""
    (address,) = server.addresses["http"]
    body = json.dumps({"name": "room0", "from": "page0", "text": "x" * 80})
    spent: list[float] = []
    for _ in range(sends):
        pages.begin(do="expect", count=size - 1)
        before = _cpu_time(server.pid)
        connection = HTTPConnection("127.0.0.1", address.port, timeout=60)
        connection.request("POST", "/rest-api/room/send", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        if answer.status != 200 or answer.headers.get("X-Sent-Count") != str(size - 1):
            raise RuntimeError(f"answered {answer.status}, {dict(answer.headers)}")
        pages.done()
        spent.append((_cpu_time(server.pid) - before) * 1e6 / (size - 1))
    return statistics.median(spent)


def _cpu_time(pid: int) -> float:
    """Seconds that a process has used, user and system together, by the scheduler's clock of it (CPUCLOCK_SCHED)."""
    return time.clock_gettime((~pid << 3) | 2)


def _spread(latencies: Sequence[float], width: int) -> list[str]:
    """Median and 99th percentile."""
    ordered = sorted(latencies)
    return [f"{statistics.median(ordered):{width}.2f}", f"{ordered[int(len(ordered) * 0.99)]:7.2f}"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.rooms", description="Cost of rooms.")
    parser.add_argument("--rounds", type=int, default=3, help="of each kind, each with a new server (%(default)s)")
    parser.add_argument("--rate", type=int, default=200, help="joins a second of small rooms (%(default)s)")
    parser.add_argument("--large-rate", type=int, default=20, help="joins a second of the large one (%(default)s)")
    parser.add_argument("--messages", type=int, default=3000, help="from one to one (%(default)s)")
    parser.add_argument("--message-rate", type=int, default=300, help="messages a second (%(default)s)")
    parser.add_argument("--sends", type=int, default=30, help="messages to everybody (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
