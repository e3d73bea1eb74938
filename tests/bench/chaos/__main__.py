"""One attacker at a time, while 100 viewers watch: do they, newcomers and the operator notice?

    python -m tests.bench.chaos                               every attacker
    python -m tests.bench.chaos --attacker events --attacker packets --viewers 50 --seconds 4

For each attacker a server of its own runs, with one publisher (VP8, 125 packets/s), its viewers, and a newcomer every
second, who plays, is terminated by REST and goes. First without the attacker, then with it, each for some seconds.
Attackers come from another address than everybody else, unless `--same-address` is given. All share the machine's
cores: the attacker's processor time is shown beside the server's. Loopback only; it ends by itself.

An attacker fails to be noticed when the p99 of the forwarding delay is at most 20 ms or twice that of the time without
it, whichever is more; no viewer or newcomer is lost; the server stays under 300 MB; and REST terminate is answered
within 100 ms. Where the machine is too slow for that even without the attacker, the row says so, and its verdict means
little.
"""

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from array import array
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
from attrs import define, field, frozen

from config.settings import TABLE
from tests.bench.chaos import wire
from tests.bench.chaos.attack import Target
from tests.bench.chaos.attackers import APP, ATTACKERS
from tests.bench.peers.control import PeerProcess, Task, read
from tests.bench.peers.procfs import cpu_seconds, machine, resident_bytes
from tests.bench.peers.servers import STREAM
from tests.support.servers.server_process import ServerProcess, running_server

HOST = "127.0.0.1"
SETTINGS = {"ip": HOST, "overload.max_loop_lag": TABLE["overload.max_loop_lag"].default}
SETTLING = 3.0  # seconds before a window
FILLING = 0.02  # seconds between two joins
VISITS = 1.0  # seconds between two newcomers
LOOKS = 0.1  # seconds between two looks at the server's memory
TIME_LIMIT = 20 * 60
MOST_MEMORY, MOST_DELAY, MOST_TERMINATE = 300e6, 20.0, 100.0  # bytes, ms, ms
HEAD = (
    *("attacker", "door", "what it does", "p99 without", "p99 with", "lost", "newcomers", "terminate, longest"),
    *("memory", "CPU of server", "CPU of attacker", "its steps", ""),
)


@frozen(kw_only=True)
class Window:
    """What a stretch of time brought. `began` and `ended` in CLOCK_MONOTONIC ns; delays and times in ms."""

    began: int
    ended: int
    memory: int
    server: float
    attacker: float
    steps: dict[str, int]
    crowd: dict[str, Any]
    visitors: dict[str, Any]
    delays: list[float] = field(factory=list)

    @property
    def p99(self) -> float:
        return _p99(self.delays)


@define(eq=False)
class Scene:
    """One server, its audience, and one attacker."""

    name: str
    server: ServerProcess
    publisher: PeerProcess
    crowd: PeerProcess
    visitors: PeerProcess
    attacker: PeerProcess
    folder: Path

    def play(self, viewers: int, seconds: float) -> tuple[Window, Window]:
        """The two windows: without the attacker, and with it."""
        self.publisher.ask("publish", timeout=30)
        self.crowd.ask("fill", count=viewers, interval=FILLING, timeout=viewers + 30)
        self.visitors.ask("visit", interval=VISITS, timeout=5)
        backend = self.attacker.ask("prepare", timeout=60)["backend"]
        if backend:
            self.server.operate("add", "app", APP, APP, backend)
        quiet = self._window(seconds)
        self.attacker.ask("attack", timeout=10)
        if self.name == "log":
            self._log_reader.suspend()
        loud = self._window(seconds)
        if self.name == "log":
            self._log_reader.resume()
        self._place_delays(quiet, loud)
        return quiet, loud

    @property
    def _log_reader(self) -> psutil.Process:
        (reader,) = (child for child in psutil.Process(self.server.pid).children() if child.name() == "cat")
        return reader

    def _window(self, seconds: float) -> Window:
        time.sleep(SETTLING)
        self.crowd.ask("sample", timeout=60)
        self.visitors.ask("sample", timeout=60)
        began, cpu, memory = time.monotonic_ns(), self._cpu(), 0
        while time.monotonic_ns() < began + seconds * 1e9:
            memory = max(memory, resident_bytes(self.server.pid))
            time.sleep(LOOKS)
        ended = time.monotonic_ns()
        spent = [(after - before) / (ended - began) * 1e9 for before, after in zip(cpu, self._cpu(), strict=True)]
        return Window(
            began=began,
            ended=ended,
            memory=memory,
            server=spent[0],
            attacker=spent[1],
            steps=self.attacker.ask("sample", timeout=60),
            crowd=self.crowd.ask("sample", timeout=60),
            visitors=self.visitors.ask("sample", timeout=60),
        )

    def _cpu(self) -> tuple[float, float]:
        return cpu_seconds(self.server.pid), cpu_seconds(self.attacker.pid)

    def _place_delays(self, *windows: Window) -> None:
        self.crowd.ask("finish", path=str(self.folder / "seen"), timeout=60)
        self.publisher.ask("finish", path=str(self.folder / "sent"), timeout=30)
        sent, seen = read(self.folder / "sent"), read(self.folder / "seen")
        for window in windows:
            window.delays.extend(_delays(sent, seen, window))


def _delays(sent: "array[int]", seen: "array[int]", window: Window) -> list[float]:
    """In ms, of the packets that were sent in the window: one that is late belongs to the time that made it so."""
    pairs = ((sent[index], arrival) for index, arrival in zip(seen[0::2], seen[1::2], strict=True))
    return [(arrival - at) / 1e6 for at, arrival in pairs if window.began <= at <= window.ended]


def _p99(values: Sequence[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)] if values else float("inf")


def _faults(viewers: int, quiet: Window, loud: Window) -> list[str]:
    """What the attacker has brought about."""
    faults = []
    if loud.p99 > max(MOST_DELAY, 2 * quiet.p99):
        faults.append("delay")
    if loud.crowd["here"] - loud.crowd["ended"] != viewers:
        faults.append("viewers ended")
    if loud.visitors["failures"] or not loud.visitors["joins"]:
        faults.append("newcomers")
    if loud.memory > MOST_MEMORY:
        faults.append("memory")
    if max(loud.visitors["terminates"], default=float("inf")) > MOST_TERMINATE:
        faults.append("terminate")
    return faults


def _row(name: str, viewers: int, quiet: Window, loud: Window) -> str:
    attacker, visits = ATTACKERS[name], loud.visitors
    cells = (
        *(name, attacker.door, attacker.what, f"{quiet.p99:.1f} ms", f"{loud.p99:.1f} ms"),
        *(loud.crowd["lost"], f"{len(visits['joins'])} in, {len(visits['failures'])} not"),
        f"{max(visits['terminates'], default=float('nan')):.0f} ms",
        *(f"{loud.memory / 1e6:.0f} MB", f"{loud.server:.0%}", f"{loud.attacker:.0%}"),
        f"{loud.steps['done']} taken, {loud.steps['refused']} not",
        _verdict(viewers, quiet, loud),
    )
    return f"| {' | '.join(map(str, cells))} |"


def _verdict(viewers: int, quiet: Window, loud: Window) -> str:
    """A machine that others use as well proves nothing, and the row says so."""
    verdict = ", ".join(_faults(viewers, quiet, loud)) or "holds"
    slow = max(quiet.p99, *(each * MOST_DELAY / MOST_TERMINATE for each in quiet.visitors["terminates"]), 0.0)
    return f"{verdict} (too slow without it, too)" if slow > MOST_DELAY else verdict


def _scene(name: str, stack: ExitStack) -> Scene:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wcsd-chaos-")))
    module = "tests.bench.chaos.server" if name == "log" else "actors.daemon"
    server = stack.enter_context(running_server(folder, SETTINGS, module=module))
    ports = {where: server.addresses[where][0].port for where in ("ws", "wss", "http", "https")}
    target = Target(**ports, udp=server.addresses["media"][0].port, operator=server.state / "wcs.sock", folder=folder)
    task = Task(server="wcsd", url=server.ws_url(), stream=STREAM, host=HOST, folder=folder)
    visits = Task(server=server.http_url(""), url=server.ws_url(), stream=STREAM, host=HOST, folder=folder)
    return Scene(
        name=name,
        server=server,
        publisher=stack.enter_context(PeerProcess("peers.publisher", task, "publisher")),
        crowd=stack.enter_context(PeerProcess("soak.viewers", task, "viewers")),
        visitors=stack.enter_context(PeerProcess("chaos.visitor", visits, "visitor")),
        attacker=stack.enter_context(PeerProcess("chaos.attacker", target, name)),
        folder=folder,
    )


def main(arguments: Sequence[str]) -> int:
    """Run and print; the exit code is 1 if an attacker was noticed."""
    options = _parse(arguments)
    signal.alarm(TIME_LIMIT)
    noticed, delays = [], []
    print(f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|", sep="\n", flush=True)
    for name in options.attacker or ATTACKERS:
        with ExitStack() as stack:
            quiet, loud = _scene(name, stack).play(options.viewers, options.seconds)
        print(_row(name, options.viewers, quiet, loud), flush=True)
        for failure in sorted(set(loud.visitors["failures"])):
            print(f"  newcomer: {failure}", file=sys.stderr, flush=True)
        delays.append(quiet.p99)
        if _faults(options.viewers, quiet, loud):
            noticed.append(name)
    print(f"\n{machine()}; load {os.getloadavg()[0]:.1f}; p99 without attackers {statistics.median(delays):.1f} ms")
    print(f"noticed: {', '.join(noticed)}" if noticed else "no attacker was noticed")
    return 1 if noticed else 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.chaos", description="one attacker at a time")
    parser.add_argument("--attacker", action="append", choices=list(ATTACKERS), help="default: all, in turn")
    parser.add_argument("--viewers", type=int, default=100, help="viewers (100)")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each window (6)")
    parser.add_argument("--same-address", action="store_true", help="attackers come from the viewers' address")
    options = parser.parse_args(arguments)
    if not (1 <= options.viewers <= 500 and 1 <= options.seconds <= 60):
        parser.error("1 to 500 viewers, windows of 1 to 60 seconds")
    if options.same_address:
        os.environ[wire.VARIABLE] = HOST
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
