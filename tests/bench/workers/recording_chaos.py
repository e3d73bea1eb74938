"""Recorders beside viewers, one of them killed every second: does anybody notice?

    python -m tests.bench.workers.recording_chaos                              ten, four times without and with them
    python -m tests.bench.workers.recording_chaos --recorders 50 --no-kills    what many of them cost

A server with one publisher (VP8, 125 packets/s) and its viewers. In turn it runs without recorders and with them, all
of the one publication, as members of groups. While they run, one process is killed every second, and another takes its
place. Shown are the forwarding delay to viewers, the processor time of the server and of all its recorders, and their
memory. Loopback only; it ends by itself.

The exit code is 1 if a viewer has lost packets or its stream, the median p99 with recorders is more than 1.2 times that
without (and more than 1 ms above it), a recorder has not left a file, or a file does not hold what it should.
"""

import argparse
import os
import re
import signal
import statistics
import sys
import tempfile
import time
from array import array
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import av
import httpx
import psutil
from attrs import field, frozen

from tests.bench.media.peers.control import PeerProcess, Task, read
from tests.bench.media.peers.procfs import cpu_seconds, machine
from tests.bench.media.peers.servers import STREAM
from tests.support.servers.server_process import ServerProcess, running_server

HOST = "127.0.0.1"
SETTINGS = {"ip": HOST, "records.min_free": 0, "records.max_running": 200, "records.access": "public"}
STARTED = re.compile(r"worker started .*program=recorder .*pid=(\d+)")
SETTLING = 2.0  # seconds before a window
KILLS = 1.0  # seconds between two
FILLING = 0.02  # seconds between two joins
TIME_LIMIT = 20 * 60
MOST, LEAST_MS = 1.2, 1.0
HEAD = ("", "p50", "p99", "lost", "CPU of server", "CPU of recorders", "memory of recorders", "killed")


@frozen(kw_only=True)
class Stretch:
    """What some seconds brought. `began` and `ended` in CLOCK_MONOTONIC ns, delays in ms, memory in bytes."""

    began: int
    ended: int
    lost: int
    gone: int
    server: float
    recorders: float
    memory: int
    killed: int
    delays: list[float] = field(factory=list)

    def quantile(self, share: float) -> float:
        return sorted(self.delays)[int(len(self.delays) * share)] if self.delays else float("inf")


class Studio:
    """The server's recorders, as REST and the kernel see them."""

    def __init__(self, server: ServerProcess, recorders: int) -> None:
        self.killed = 0
        self._server = server
        self._uris = [f"multi-recorder://{number}" for number in range(recorders)]
        self._rest = httpx.Client(base_url=server.http_url("/rest-api/"), trust_env=False, timeout=60)
        self._publication = ""

    def processes(self) -> list[psutil.Process]:
        """Those that live; some are forked, so that only the log tells what they are."""
        running = []
        for pid in dict.fromkeys(STARTED.findall(self._server.log())):
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(int(pid))
                if process.status() != psutil.STATUS_ZOMBIE:
                    running.append(process)
        return running

    def begin(self) -> None:
        (stream,) = self._call("stream/find", published=True).json()
        self._publication = stream["mediaSessionId"]
        for uri in self._uris:
            self._call("multipleRecorder/startup", uri=uri)
            self._call("multipleRecorder/add", uri=uri, mediaSessionId=self._publication)

    def kill_one(self) -> None:
        """The oldest of all; another one takes its place, of the same recording or, in the end, of a new one."""
        oldest = min(self.processes(), key=lambda process: process.create_time())
        oldest.kill()
        self.killed += 1
        while any(each.pid == oldest.pid for each in self.processes()):
            time.sleep(0.05)
        for uri in [each["uri"] for each in self._groups() if not each["mediaSessionsId"]]:
            self._call("multipleRecorder/add", uri=uri, mediaSessionId=self._publication)

    def end(self) -> None:
        for uri in self._uris:
            self._call("multipleRecorder/terminate", uri=uri)
        while self.processes():
            time.sleep(0.05)

    def files(self) -> list[Path]:
        return sorted((self._server.state / "records").glob("*.webm"))

    def _groups(self) -> list[dict[str, Any]]:
        groups: list[dict[str, Any]] = self._call("multipleRecorder/find_all").json()
        return groups

    def _call(self, method: str, **fields: object) -> httpx.Response:
        return self._rest.post(method, json=fields).raise_for_status()


def _stretch(studio: Studio, server: ServerProcess, crowd: PeerProcess, seconds: float, *, kills: bool) -> Stretch:
    time.sleep(SETTLING)
    crowd.ask("sample", timeout=60)
    began, cpu, killed, spent, memory = time.monotonic_ns(), cpu_seconds(server.pid), studio.killed, {}, 0
    before = _spent(studio)
    while time.monotonic_ns() < began + seconds * 1e9:
        time.sleep(KILLS)
        spent.update(_spent(studio))
        memory = max(memory, sum(_private(process) for process in studio.processes()))
        if kills:
            studio.kill_one()
    ended = time.monotonic_ns()
    span = (ended - began) / 1e9
    seen = crowd.ask("sample", timeout=60)
    return Stretch(
        began=began,
        ended=ended,
        lost=seen["lost"],
        gone=seen["ended"],
        server=(cpu_seconds(server.pid) - cpu) / span,
        recorders=sum(each - before.get(pid, 0.0) for pid, each in spent.items()) / span,
        memory=memory,
        killed=studio.killed - killed,
    )


def _spent(studio: Studio) -> dict[int, float]:
    """Processor time of each recorder so far."""
    spent = {}
    for process in studio.processes():
        try:
            spent[process.pid] = cpu_seconds(process.pid)
        except (OSError, IndexError):  # it has just ended
            continue
    return spent


def _private(process: psutil.Process) -> int:
    """Its share of memory (PSS): what several have in common counts once."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


def _place(stretches: Sequence[Stretch], sent: "array[int]", seen: "array[int]") -> None:
    for index, arrival in zip(seen[0::2], seen[1::2], strict=True):
        for stretch in stretches:
            if stretch.began <= sent[index] <= stretch.ended:
                stretch.delays.append((arrival - sent[index]) / 1e6)


def _row(name: str, stretch: Stretch) -> str:
    cells = (
        *(name, f"{stretch.quantile(0.5):.2f} ms", f"{stretch.quantile(0.99):.2f} ms", stretch.lost),
        *(f"{stretch.server:.1%}", f"{stretch.recorders:.1%}", f"{stretch.memory / 1e6:.0f} MB", stretch.killed),
    )
    return f"| {' | '.join(map(str, cells))} |"


def _pictures(file: Path) -> int:
    with av.open(str(file), "r") as opened:
        return sum(1 for packet in opened.demux() if packet.size)


def _faults(quiet: Sequence[Stretch], loud: Sequence[Stretch], files: Sequence[int], wanted: int) -> list[str]:
    faults = []
    without, with_them = (statistics.median(each.quantile(0.99) for each in both) for both in (quiet, loud))
    if with_them > MOST * without and with_them > without + LEAST_MS:
        faults.append(f"p99 {with_them / without:.2f} times as long")
    if sum(each.lost + each.gone for each in loud):
        faults.append("packets or viewers lost")
    if len(files) < wanted or not all(files):
        faults.append(f"{sum(map(bool, files))} of {wanted} files hold pictures")
    return faults


def main(arguments: Sequence[str]) -> int:
    """Run and print."""
    options = _parse(arguments)
    signal.alarm(TIME_LIMIT)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wcsd-recorders-")))
        server = stack.enter_context(running_server(folder, SETTINGS))
        task = Task(server="wcsd", url=server.ws_url(), stream=STREAM, host=HOST, folder=folder)
        publisher = stack.enter_context(PeerProcess("media.peers.publisher", task, "publisher"))
        crowd = stack.enter_context(PeerProcess("endurance.soak.viewers", task, "viewers"))
        publisher.ask("publish", timeout=30)
        crowd.ask("fill", count=options.viewers, interval=FILLING, timeout=options.viewers + 30)
        studio, quiet, loud = Studio(server, options.recorders), list[Stretch](), list[Stretch]()
        for _ in range(options.rounds):
            quiet.append(_stretch(studio, server, crowd, options.seconds, kills=False))
            studio.begin()
            loud.append(_stretch(studio, server, crowd, options.seconds, kills=options.kills))
            studio.end()
        crowd.ask("finish", path=str(folder / "seen"), timeout=60)
        publisher.ask("finish", path=str(folder / "sent"), timeout=30)
        _place([*quiet, *loud], read(folder / "sent"), read(folder / "seen"))
        files = [_pictures(file) for file in studio.files()]
    print(f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|", sep="\n")
    for without, with_them in zip(quiet, loud, strict=True):
        print(_row("without", without), _row(f"{options.recorders} recorders", with_them), sep="\n")
    faults = _faults(quiet, loud, files, options.recorders * options.rounds)
    ratio = statistics.median(each.quantile(0.99) for each in loud) / statistics.median(
        each.quantile(0.99) for each in quiet
    )
    print(f"\n{machine()}; load {os.getloadavg()[0]:.1f}; p99 with them {ratio:.2f} times that without")
    print(f"{len(files)} files, {sum(files)} pictures; {studio.killed} recorders killed")
    print(f"noticed: {', '.join(faults)}" if faults else "nobody has noticed")
    return 1 if faults else 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.bench.workers.recording_chaos", description="recorders beside viewers")
    parser.add_argument("--recorders", type=int, default=10, help="at once (10)")
    parser.add_argument("--viewers", type=int, default=20, help="viewers (20)")
    parser.add_argument("--rounds", type=int, default=4, help="times without and with them (4)")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each stretch (8)")
    parser.add_argument("--no-kills", dest="kills", action="store_false", help="all of them live")
    options = parser.parse_args(arguments)
    if not (1 <= options.recorders <= 100 and 1 <= options.viewers <= 500 and 1 <= options.rounds <= 20):
        parser.error("1 to 100 recorders, 1 to 500 viewers, 1 to 20 rounds")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
