"""One server, its audience, a newcomer every second, and one attacker."""

import json
import os
import tempfile
import time
from array import array
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
from attrs import define, evolve, frozen

from config.settings import TABLE
from tests.bench.endurance.chaos.attack import Target
from tests.bench.endurance.chaos.attackers import APP, ATTACKERS
from tests.bench.endurance.chaos.server import METER
from tests.bench.endurance.chaos.verdict import Round, Seen
from tests.bench.media.peers.control import PeerProcess, Task, read
from tests.bench.media.peers.procfs import cpu_seconds, programs_busy_seconds, resident_bytes
from tests.bench.media.peers.servers import STREAM
from tests.bench.meters.pass_meter import ASK, MARK
from tests.support.servers.server_process import ServerProcess, running_server

HOST = "127.0.0.1"
SETTINGS = {"ip": HOST, "overload.max_loop_lag": TABLE["overload.max_loop_lag"].default}
SETTLING = 2.0  # seconds before a window
FILLING = 0.02  # seconds between two joins
VISITS = 1.0  # seconds between two newcomers
LOOKS = 0.1  # seconds between two looks at the server's memory
PATIENCE = 60.0  # seconds for an answer


@frozen(kw_only=True)
class Window:
    """A stretch of time, in CLOCK_MONOTONIC ns, and what there is to tell beside what is judged.

    `attacker`: of one core. `taken`, `refused`: its steps. `lost`: packets that viewers missed. `failures`: in words.
    """

    began: int
    ended: int
    seen: Seen
    attacker: float
    taken: int
    refused: int
    lost: int
    failures: tuple[str, ...]


@define(eq=False)
class Scene:
    """See above."""

    name: str
    server: ServerProcess
    publisher: PeerProcess
    crowd: PeerProcess
    visitors: PeerProcess
    attacker: PeerProcess
    folder: Path

    def open(self, viewers: int) -> None:
        """Everybody comes, and the attacker is ready."""
        self.publisher.ask("publish", timeout=PATIENCE)
        self.crowd.ask("fill", count=viewers, interval=FILLING, timeout=viewers + PATIENCE)
        self.visitors.ask("visit", interval=VISITS, timeout=PATIENCE)
        backend = self.attacker.ask("prepare", timeout=PATIENCE)["backend"]
        if backend:
            self.server.operate("add", "app", APP, APP, backend)

    def play(self, seconds: float) -> tuple[Window, Window]:
        """A round: its two windows, without the attacker and with it."""
        quiet = self._window(seconds, attacked=False)
        self.attacker.ask("attack", timeout=PATIENCE)
        if self.name == "log":
            self._log_reader.suspend()
        try:
            loud = self._window(seconds, attacked=True)
        finally:
            if self.name == "log":
                self._log_reader.resume()
        self.attacker.ask("pause", timeout=PATIENCE)
        return self._with_delays(quiet), self._with_delays(loud)

    @property
    def _log_reader(self) -> psutil.Process:
        (reader,) = (child for child in psutil.Process(self.server.pid).children() if child.name() == "cat")
        return reader

    def _window(self, seconds: float, *, attacked: bool) -> Window:
        time.sleep(SETTLING)
        self._samples()
        self._passes()
        began, cpu, memory = time.monotonic_ns(), self._cpu(), 0
        while time.monotonic_ns() < began + seconds * 1e9:
            memory = max(memory, resident_bytes(self.server.pid))
            time.sleep(LOOKS)
        ended = time.monotonic_ns()
        lasted = (ended - began) / 1e9
        spent = [(after - before) / lasted for before, after in zip(cpu, self._cpu(), strict=True)]
        waiting = self._passes()["over"] / 1000 / lasted
        steps, crowd, visitors = self._samples()
        meant = ATTACKERS[self.name].rate * lasted if attacked else 1.0
        return Window(
            began=began,
            ended=ended,
            seen=_seen(spent, crowd, visitors, waiting=waiting, memory=memory, steps=sum(steps.values()) / meant),
            attacker=spent[1],
            taken=steps["done"],
            refused=steps["refused"],
            lost=crowd["lost"],
            failures=tuple(visitors["failures"]),
        )

    def _samples(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """What the attacker, the viewers and the newcomers tell of the time since they were last asked."""
        attacker, crowd, visitors = (
            process.ask("sample", timeout=PATIENCE) for process in (self.attacker, self.crowd, self.visitors)
        )
        return attacker, crowd, visitors

    def _cpu(self) -> tuple[float, float, float, float]:
        """Seconds of the server, of the attacker, of all of ours, and of all programs."""
        peers = (self.publisher, self.crowd, self.visitors, self.attacker)
        ours = [cpu_seconds(each.pid) for each in (self.server, *peers)]
        return ours[0], ours[-1], sum(ours) + sum(os.times()[:2]), programs_busy_seconds()

    def _passes(self) -> dict[str, Any]:
        """What the server's meter says of the time since it was last asked."""
        path = self.folder / "passes"
        before = path.stat().st_size
        self.server.send_signal(ASK)
        self.server.wait_until(lambda: path.read_bytes()[before:].endswith(b"\n"), what="a line of the meter")
        line = path.read_text()[before:].removeprefix(MARK)
        found: dict[str, Any] = json.loads(line)
        return found

    def _with_delays(self, window: Window) -> Window:
        self.crowd.ask("dump", path=str(self.folder / "seen"), timeout=PATIENCE)
        self.publisher.ask("dump", path=str(self.folder / "sent"), timeout=PATIENCE)
        delays = _delays(read(self.folder / "sent"), read(self.folder / "seen"), window)
        return evolve(window, seen=evolve(window.seen, delays=delays))


def _seen(
    spent: Sequence[float],
    crowd: dict[str, Any],
    visitors: dict[str, Any],
    *,
    waiting: float,
    memory: int,
    steps: float,
) -> Seen:
    server, _, ours, everybody = spent
    return Seen(
        delays=(),
        waiting=waiting,
        cpu=server,
        others=everybody - ours,
        memory=memory,
        ended=crowd["ended"],
        joins=len(visitors["joins"]),
        failures=len(visitors["failures"]),
        terminates=visitors["terminates"],
        packets=crowd["packets"],
        steps=steps,
    )


def _delays(sent: "array[int]", seen: "array[int]", window: Window) -> list[float]:
    """In ms, of the packets that were sent in the window: one that is late belongs to the time that made it so."""
    pairs = ((sent[index], arrival) for index, arrival in zip(seen[0::2], seen[1::2], strict=True))
    return [(arrival - at) / 1e6 for at, arrival in pairs if window.began <= at <= window.ended]


def round_of(quiet: Window, loud: Window) -> Round:
    return Round(quiet=quiet.seen, loud=loud.seen)


def open_scene(name: str, stack: ExitStack) -> Scene:
    """Start the processes of one attacker; `stack` ends them."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wcsd-chaos-")))
    os.environ[METER] = str(folder / "passes")
    module = "tests.bench.endurance.chaos.log_server" if name == "log" else "tests.bench.endurance.chaos.server"
    server = stack.enter_context(running_server(folder, SETTINGS, module=module))
    ports = {where: server.addresses[where][0].port for where in ("ws", "wss", "http", "https")}
    target = Target(**ports, udp=server.addresses["media"][0].port, operator=server.state / "wcs.sock", folder=folder)
    task = Task(server="wcsd", url=server.ws_url(), stream=STREAM, host=HOST, folder=folder)
    visits = Task(server=server.http_url(""), url=server.ws_url(), stream=STREAM, host=HOST, folder=folder)
    return Scene(
        name=name,
        server=server,
        publisher=stack.enter_context(PeerProcess("media.peers.publisher", task, "publisher")),
        crowd=stack.enter_context(PeerProcess("endurance.soak.viewers", task, "viewers")),
        visitors=stack.enter_context(PeerProcess("endurance.chaos.visitor", visits, "visitor")),
        attacker=stack.enter_context(PeerProcess("endurance.chaos.attacker", target, name)),
        folder=folder,
    )
