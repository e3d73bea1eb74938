"""One stream that is watched, and how long its packets take in stretches of time."""

from array import array
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from time import monotonic_ns

import trio
from attrs import define, field, frozen

from tests.bench.media.peers.control import PeerProcess, Task, read
from tests.bench.media.peers.procfs import cpu_seconds
from tests.bench.media.peers.servers import STREAM
from tests.support.servers.server_process import ServerProcess

HOST = "127.0.0.1"
FILLING = 0.02
"""Seconds between two joins."""
SETTLING = 3.0
"""Seconds before the first stretch."""
MOST_DELAY = 20.0
"""Milliseconds that p99 may have, however short it was before."""


@frozen(kw_only=True)
class Stretch:
    """A stretch of time, in CLOCK_MONOTONIC ns, and what viewers counted in it."""

    name: str
    began: int
    ended: int
    packets: int
    lost: int
    viewers_ended: int
    cpu: float
    """Seconds of the server's processor time."""

    @property
    def seconds(self) -> float:
        return (self.ended - self.began) / 1e9


@define
class WatchedStream:
    """The stream's publisher and its viewers, each a process."""

    server: int
    """The server's process id."""
    publisher: PeerProcess
    viewers: PeerProcess
    folder: Path
    stretches: list[Stretch] = field(factory=list)

    @classmethod
    @contextmanager
    def open(cls, server: ServerProcess, folder: Path) -> Iterator["WatchedStream"]:
        task = Task(server="wcsd", url=server.ws_url(), stream=STREAM, host=HOST, folder=folder)
        with PeerProcess("media.peers.publisher", task, "publisher") as publisher:
            with PeerProcess("endurance.soak.viewers", task, "viewers") as viewers:
                yield cls(server.pid, publisher, viewers, folder)

    def begin(self, viewers: int) -> None:
        self.publisher.ask("publish", timeout=30)
        self.viewers.ask("fill", count=viewers, interval=FILLING, timeout=viewers + 30)

    @asynccontextmanager
    async def looking(self, name: str) -> AsyncIterator[None]:
        """A stretch that is as long as what is done in it."""
        if not self.stretches:
            await trio.sleep(SETTLING)
        await trio.to_thread.run_sync(self._sample)
        began, cpu = monotonic_ns(), cpu_seconds(self.server)
        yield
        ended, cpu = monotonic_ns(), cpu_seconds(self.server) - cpu
        counted = await trio.to_thread.run_sync(self._sample)
        self.stretches.append(
            Stretch(
                name=name,
                began=began,
                ended=ended,
                packets=counted["packets"],
                lost=counted["lost"],
                viewers_ended=counted["ended"],
                cpu=cpu,
            )
        )

    async def look(self, name: str, seconds: float) -> None:
        """A stretch of so many seconds."""
        async with self.looking(name):
            await trio.sleep(seconds)

    def report(self) -> list[str]:
        """The end of it: a line for each stretch, and what is to be said of the delay."""
        self.viewers.ask("finish", path=str(self.folder / "seen"), timeout=60)
        self.publisher.ask("finish", path=str(self.folder / "sent"), timeout=30)
        sent, seen = read(self.folder / "sent"), read(self.folder / "seen")
        delays = [_delays(sent, seen, stretch) for stretch in self.stretches]
        lines = ["| | seconds | packets | lost | p50 | p99 | longest | CPU of server |", f"|{'---|' * 8}"]
        lines += [_row(stretch, each) for stretch, each in zip(self.stretches, delays, strict=True)]
        before, *others = (_quantile(each, 0.99) for each in delays)
        noticed = any(p99 > max(MOST_DELAY, 2 * before) for p99 in others)
        slow = " (too slow before it, too)" if before > MOST_DELAY else ""
        return [*lines, f"forwarding delay: {'noticed' if noticed else 'holds'}{slow}"]

    @property
    def viewers_ended(self) -> int:
        """Viewers whose stream the server has ended meanwhile."""
        return max(stretch.viewers_ended for stretch in self.stretches)

    def _sample(self) -> dict[str, int]:
        counted: dict[str, int] = self.viewers.ask("sample", timeout=60)
        return counted


def _delays(sent: "array[int]", seen: "array[int]", stretch: Stretch) -> list[float]:
    """In ms and sorted, of the packets that were sent in that time."""
    pairs = ((sent[index], arrival) for index, arrival in zip(seen[0::2], seen[1::2], strict=True))
    return sorted((arrival - at) / 1e6 for at, arrival in pairs if stretch.began <= at <= stretch.ended)


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else float("nan")


def _row(stretch: Stretch, delays: list[float]) -> str:
    figures = (f"{_quantile(delays, share):.2f} ms" for share in (0.5, 0.99, 1.0))
    counts = (f"{stretch.seconds:.0f}", str(stretch.packets), str(stretch.lost))
    return f"| {' | '.join((stretch.name, *counts, *figures, f'{stretch.cpu / stretch.seconds:.0%}'))} |"
