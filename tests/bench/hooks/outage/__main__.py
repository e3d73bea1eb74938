"""The backend goes away for half a minute while sessions and streams come and go: is a hook lost, is media late?

    python -m tests.bench.hooks.outage                     two rounds; in the second the server is killed meanwhile
    python -m tests.bench.hooks.outage --seconds 10 --viewers 5

A server process with an application that keeps every notification, its backend in another process, and pages that come,
publish, play, tell the backend numbers, and go. In the first round one stream (VP8, 125 packets/s) is watched as well:
the forwarding delay before, during and after the outage, from the publisher's send to the kernel of the viewers'
machine. Then the backend is killed, and started again after `--seconds`. In the second round the server is killed in
the middle of the outage, and another one goes on with its state folder.

The exit code is 1 if anything is lost or out of order: in both rounds whatever was seen in the spool's file; in the
first whatever pages told, and every end of a stream; in the second what pages told until a second before the kill.
Delays are shown, and judged as noticed (p99 over 20 ms and over twice that of before), but do not count: the machine
may be busy with something else.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import trio
from attrs import define, field

from config.apps import ALL_METHODS, App, AppTable
from config.tables.apps_file import write_apps
from tests.bench.hooks.outage.ledger import Ledger, SpoolWatch, lost, out_of_order
from tests.bench.hooks.outage.media import WatchedStream
from tests.bench.hooks.outage.pages import Diary, come_and_go
from tests.bench.media.peers.control import ROOT
from tests.bench.media.peers.procfs import machine
from tests.support.servers.server_process import ServerProcess

SETTINGS = {"ip": "127.0.0.1"}
APP = "defaultApp"
BEFORE = 10.0
"""Seconds before the outage."""
COMMITTED = 1.0
"""Seconds before the kill until which everything that was told must have been kept: many times what it takes."""
LOOKS = 0.2
"""Seconds between two looks at the spool."""
DELIVERY = 600.0
"""Seconds after the outage in which everything must have arrived: many times what it takes, unless nothing does."""
LEAVING = 10.0
"""Seconds that pages have for the end of their visits."""
SETTLING = 30.0
"""Seconds without any hook that arrives, after the last page has gone: what has not come by then is lost."""
SHOWN = 20
"""Faults that are named."""
TIME_LIMIT = 40 * 60


@define
class Backend:
    """The process that hooks go to."""

    folder: Path
    port: int = 0
    _process: "subprocess.Popen[str] | None" = None

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.jsonl"

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.bench.hooks.outage.backend", str(self.port), str(self.ledger)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@define
class Round:
    """One outage: what is running, and what it came to."""

    folder: Path
    seconds: float
    backend: Backend
    watch: SpoolWatch
    diary: Diary = field(factory=Diary)
    most_kept: int = 0
    left: int = 0
    """In the spool at the end."""
    viewers_ended: int = 0
    told_until: float = float("inf")
    """Whatever pages told until then must arrive."""

    @classmethod
    def prepare(cls, folder: Path, seconds: float) -> "Round":
        backend = Backend(folder)
        backend.start()
        url = f"http://127.0.0.1:{backend.port}/hooks"
        app = App(name=APP, key=APP, url=url, methods=frozenset(ALL_METHODS), spool="all", on_breaker="allow")
        (folder / "state").mkdir(mode=0o700)
        (folder / "state/apps.toml").write_text(write_apps(AppTable(apps=(app,))))
        return cls(folder, seconds, backend, SpoolWatch(folder / "state/spool.sqlite3"))

    def serve(self) -> ServerProcess:
        return ServerProcess(self.folder, SETTINGS)

    @asynccontextmanager
    async def visited(self, server: ServerProcess) -> AsyncIterator[None]:
        """Pages come and go, and the spool is looked at."""
        self.diary.is_over = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch)
            async with trio.open_nursery() as pages:
                pages.start_soon(come_and_go, server.ws_url(), self.diary)
                yield
                self.diary.is_over = True
                pages.cancel_scope.deadline = trio.current_time() + LEAVING
            nursery.cancel_scope.cancel()

    async def deliver(self, server: ServerProcess) -> None:
        """The backend is there again, and the operator says so. Returns when nothing is kept any more."""
        self.backend.start()
        await trio.to_thread.run_sync(server.operate, "replay", APP)
        with trio.move_on_after(DELIVERY):
            while self._look() != 0:  # noqa: ASYNC110 - the file tells no one of its change
                await trio.sleep(LOOKS)

    async def settle(self) -> None:
        """Wait until the last calls of pages that have gone have arrived."""
        arrived = 0
        with trio.move_on_after(SETTLING) as patience:
            while self.faults():
                size = self.backend.ledger.stat().st_size
                if size != arrived:
                    arrived, patience.deadline = size, trio.current_time() + SETTLING
                await trio.sleep(LOOKS)
        self.left = self._look()

    def faults(self) -> list[str]:
        """All that is lost or out of order."""
        ledger = Ledger.read(self.backend.ledger)
        streams = self.diary.ended if self.told_until == float("inf") else ()
        missing = lost(ledger, self.watch, self.diary, until=self.told_until, streams=streams)
        found = [f"lost: {each}" for each in missing]
        found += [f"out of order: {each}" for each in out_of_order(ledger, self.watch)]
        if self.left:
            found.append(f"{self.left} still kept at the end")
        if self.viewers_ended:
            found.append(f"{self.viewers_ended} viewers were ended")
        if not self.watch.seen:
            found.append("nothing was kept: the outage was none")
        return found

    def summary(self) -> str:
        ledger, diary = Ledger.read(self.backend.ledger), self.diary
        return (
            f"{diary.visits} visits ({diary.refused} refused, {len(diary.failures)} failed),"
            f" {len(diary.ended)} publications ended, {len(diary.told)} numbers told; {len(self.watch.seen)} hooks seen"
            f" in the spool, {self.most_kept} at once; {len(ledger.bodies)} arrived, {ledger.repeated} more than once"
        )

    async def _watch(self) -> None:
        while True:
            self._look()
            await trio.sleep(LOOKS)

    def _look(self) -> int:
        kept = self.watch.look()
        self.most_kept = max(self.most_kept, kept)
        return kept


async def without_kill(this: Round, viewers: int) -> list[str]:
    """The backend goes away, and comes again. What there is to say of the stream that was watched."""
    with ExitStack() as stack:
        server = this.serve()
        stack.callback(server.stop)
        stream = stack.enter_context(WatchedStream.open(server, this.folder))
        stream.begin(viewers)
        async with this.visited(server):
            await stream.look("before", BEFORE)
            this.backend.kill()
            await stream.look("backend away", this.seconds)
            async with stream.looking("after"):
                await this.deliver(server)
        await this.settle()
        this.viewers_ended = stream.viewers_ended
        return stream.report()


async def with_kill(this: Round) -> None:
    """The same, and in the middle of it the server is killed."""
    server = this.serve()
    try:
        async with this.visited(server):
            await trio.sleep(BEFORE / 2)
            this.backend.kill()
            await trio.sleep(this.seconds / 2)
            this.told_until = time.monotonic() - COMMITTED
            this.diary.is_over = True
            server.kill()
    except BaseException:
        server.send_signal(signal.SIGKILL)
        raise
    this.watch.look()
    with ExitStack() as stack:
        server = this.serve()
        stack.callback(server.stop)
        async with this.visited(server):
            await trio.sleep(this.seconds / 2)
        await this.deliver(server)
        await this.settle()


def _first_round(seconds: float, viewers: int, folder: Path) -> Round:
    this = Round.prepare(folder, seconds)
    try:
        print(*trio.run(without_kill, this, viewers), sep="\n")
    finally:
        this.backend.kill()
    return this


def _second_round(seconds: float, folder: Path) -> Round:
    this = Round.prepare(folder, seconds)
    try:
        trio.run(with_kill, this)
    finally:
        this.backend.kill()
    return this


def main(arguments: Sequence[str]) -> int:
    """Run and print; the exit code is 1 if something is lost or out of order."""
    options = _parse(arguments)
    signal.alarm(TIME_LIMIT)
    rounds = (partial(_first_round, options.seconds, options.viewers), partial(_second_round, options.seconds))
    bad = False
    for name, play in zip(("the backend away", "the server killed meanwhile"), rounds, strict=True):
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="wcsd-outage-") as folder:
            this = play(Path(folder))
            faults = this.faults()
            print(f"{name}: {this.summary()}; {time.monotonic() - began:.0f} s", flush=True)
        for line in (*faults[:SHOWN], *this.diary.failures[:SHOWN]):
            print(line, file=sys.stderr, flush=True)
        print(f"{name}: {f'{len(faults)} FAULTS' if faults else 'nothing lost, nothing out of order'}", flush=True)
        bad |= bool(faults)
    print(f"{machine()}; load {os.getloadavg()[0]:.1f}")
    return int(bad)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.hooks.outage", description="a backend that goes away")
    parser.add_argument("--seconds", type=float, default=30.0, help="of the outage (30)")
    parser.add_argument("--viewers", type=int, default=20, help="of the stream that is watched (20)")
    options = parser.parse_args(arguments)
    if not (4 <= options.seconds <= 120 and 1 <= options.viewers <= 200):
        parser.error("4 to 120 seconds, 1 to 200 viewers")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
