"""What a sick backend costs the others. Run by hand: `python -m tests.bench.hooks.sick_backend` (`--help`).

200 sessions of one application call a backend that is well, hangs, cannot be connected to, is dead, floods errors, has
a name server that hangs, and returns. Meanwhile 20 sessions of another application call a backend that is always well.
For each phase this tells how long their calls took, how that compares with the quiet phase of the same round, and what
share of a core this process used; at the end, the medians of all rounds. The backends that answer are processes of
their own. Exit code 1 if the 99th percentile of a phase is more than twice the quiet one, in the median of the rounds.

Figures depend on the machine, and on what else it does: compare those of one run with each other.
"""

import argparse
import asyncio
import io
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count

import trio
import trio.testing
from attrs import astuple, define, evolve, field, frozen

from actors.daemon import SWITCH_INTERVAL, configure_gc
from actors.hooks.connections.tls import client_context
from actors.hooks.connections.transport import HookTransport
from actors.hooks.dispatcher import HookDispatcher
from actors.hooks.lanes.lane import HookLane
from actors.net.resolver import Resolver
from actors.runtime import logs
from actors.runtime.actor import StopReason
from config.apps import ALL_METHODS, App
from config.settings import LogFormat, LogLevel, Settings
from protocol.hooks import HookMethod
from tests.bench.hooks.cost import BODY, Sink, open_files
from tests.support.hooks.backend import refused_url, unaccepting_url

SICK_SESSIONS, WELL_SESSIONS = 200, 20
SETTINGS = Settings(rest_request_timeout=1.0, rest_lane_size=50, rest_lanes_total=5000)
HUNG_NAME = "hung.test"
DONE = StopReason(cause="done")
WORST_RATIO = 2.0


# -- backends ----------------------------------------------------------------------------------------------------------


class Flood(Sink):
    """Answers 500 to everything."""

    ANSWER = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


async def serve(protocol: type[asyncio.Protocol]) -> None:
    """Serve until the end of the process; the port goes to standard output."""
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def backend(kind: str) -> Iterator[str]:
    """The URL of a backend in another process."""
    command = [sys.executable, "-m", "tests.bench.hooks.sick_backend", f"--serve={kind}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/my_api"
        finally:
            process.terminate()


@contextmanager
def hung_name_server() -> Iterator[Resolver]:
    """A resolver that never answers for one name, until the end."""
    over = threading.Event()

    def lookup(name: str) -> tuple[str, ...]:
        if name == HUNG_NAME:
            over.wait()
        return ("127.0.0.1",)

    try:
        yield Resolver(lookup)
    finally:
        over.set()


# -- load --------------------------------------------------------------------------------------------------------------


@define
class Load:
    """The sessions of both applications, and what their calls took."""

    dispatcher: HookDispatcher
    apps: dict[str, App]
    latencies: list[float] = field(factory=list)
    """Seconds; of the phase that runs."""
    most_waiting: int = 0

    def lane(self, app: str, number: int) -> HookLane:
        session_id = f"{app}{number}"
        return self.dispatcher.open_lane(
            app=self.apps[app], session_id=session_id, on_warning=lambda method, info: None
        )

    async def tell(self, number: int) -> None:
        """A session of the sick application: an event twice a second."""
        lane = self.lane("sick", number)
        draw = random.Random(number)
        for event in count():
            lane.notify(HookMethod.STREAM_STATUS_EVENT, {**BODY, "bitrate": event})
            self.most_waiting = max(self.most_waiting, self.dispatcher.statistics().waiting)
            await trio.sleep(draw.uniform(0.25, 0.75))

    async def ask(self, number: int) -> None:
        """A session of the other one: a call after the other, each followed by a pause."""
        lane = self.lane("well", number)
        draw = random.Random(number)
        while True:
            await trio.sleep(draw.uniform(0.02, 0.08))
            began = time.perf_counter()
            await lane.authorize(HookMethod.PUBLISH_STREAM, BODY)
            self.latencies.append(time.perf_counter() - began)

    async def run_phase(self, name: str, url: str, seconds: float) -> "Phase":
        """Let the sick application's backend be at `url` for some time."""
        self.apps["sick"] = evolve(self.apps["sick"], url=url)
        self.latencies.clear()
        cpu = time.process_time()
        await trio.sleep(seconds)
        return Phase(name, sorted(self.latencies), (time.process_time() - cpu) / seconds)


@frozen
class Phase:
    """What one phase showed: latencies in order, and the share of a core that this process took."""

    name: str
    latencies: list[float]
    cpu: float

    def percentile(self, share: float) -> float:
        """Milliseconds."""
        return 1000 * self.latencies[int(len(self.latencies) * share)]


@frozen
class Row:
    """What is told of a phase."""

    name: str
    calls: int
    median: float
    slow: float
    """Milliseconds: the 50th and the 99th percentile."""
    ratio: float
    cpu: float

    @classmethod
    def of(cls, phase: Phase, quiet: Phase) -> "Row":
        """One phase of a round."""
        median, slow = phase.percentile(0.5), phase.percentile(0.99)
        return cls(phase.name, len(phase.latencies), median, slow, slow / quiet.percentile(0.99), phase.cpu)

    @classmethod
    def middle(cls, rows: Sequence["Row"]) -> "Row":
        """The median of each figure over the rounds."""
        calls, median, slow, ratio, cpu = map(statistics.median, zip(*(astuple(row)[1:] for row in rows), strict=True))
        return cls(rows[0].name, calls, median, slow, ratio, cpu)

    def show(self) -> None:
        figures = f"median {self.median:6.2f} ms   p99 {self.slow:6.2f} ms   {self.ratio:5.2f} x"
        print(f"{self.name:18} {self.calls:6} calls   {figures}   {100 * self.cpu:4.0f} % CPU", flush=True)


# -- the program -------------------------------------------------------------------------------------------------------


async def main(seconds: float, rounds: int) -> int:
    """So many rounds of all phases, each of so many seconds. The exit code."""
    logs.configure(LogFormat.TEXT, LogLevel.INFO, io.StringIO())
    configure_gc()  # as the server does
    sys.setswitchinterval(SWITCH_INTERVAL)
    with ExitStack() as stack:
        well, flood, other = (stack.enter_context(backend(kind)) for kind in ("well", "flood", "well"))
        resolver = stack.enter_context(hung_name_server())
        phases = {
            "quiet": well,
            "hangs": stack.enter_context(unaccepting_url(full=False)),
            "connects hang": stack.enter_context(unaccepting_url(full=True)),
            "dead": refused_url(),
            "floods errors": flood,
            "name server hangs": f"http://{HUNG_NAME}:1/my_api",
            "returns": well,
            "is well again": well,
        }
        return await run(phases, other, resolver, seconds, rounds)


def _load(sick: str, well: str, resolver: Resolver) -> Load:
    transport = HookTransport(
        max_connections=SETTINGS.rest_max_connections,
        max_total=SETTINGS.rest_max_connections * 2,
        max_response_size=SETTINGS.rest_max_response_size,
        tls=client_context(None, insecure=False),
        resolver=resolver,
    )
    methods = frozenset(ALL_METHODS)
    urls = {"sick": sick, "well": well}
    apps = {key: App(name=key, key=key, url=url, methods=methods) for key, url in urls.items()}
    dispatcher = HookDispatcher(SETTINGS, find_app=apps.get, transport=transport)
    return Load(dispatcher, apps)


async def run(phases: dict[str, str], other: str, resolver: Resolver, seconds: float, rounds: int) -> int:
    before = open_files()
    load = _load(phases["quiet"], other, resolver)
    dispatcher = load.dispatcher
    async with trio.open_nursery() as services:
        services.start_soon(dispatcher.run)
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as sessions:
            for number in range(SICK_SESSIONS):
                sessions.start_soon(load.tell, number)
            for number in range(WELL_SESSIONS):
                sessions.start_soon(load.ask, number)
            seen: dict[str, list[Row]] = {name: [] for name in phases}
            for _ in range(rounds):
                await load.run_phase("warm-up", phases["quiet"], 2.0)
                quiet = None
                for name, url in phases.items():
                    phase = await load.run_phase(name, url, seconds)
                    seen[name].append(Row.of(phase, quiet := quiet or phase))
                    seen[name][-1].show()
                print()
            sessions.cancel_scope.cancel()
        await dispatcher.drain(60)
        dispatcher.stop(DONE)
    middle = [Row.middle(rows) for rows in seen.values()]
    for row in middle:
        row.show()
    told = dispatcher.statistics()
    print(
        f"{told.sent} calls, {told.failed} failed, {told.timed_out} of them timed out; {told.dropped} dropped,", end=" "
    )
    print(f"at most {load.most_waiting} waiting; {open_files() - before} files left open")
    return int(max(row.ratio for row in middle) > WORST_RATIO)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each phase")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", choices=("well", "flood"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(Flood if options.serve == "flood" else Sink))
    else:
        sys.exit(trio.run(main, options.seconds, options.rounds))
