"""What the second node of a machine costs. Run by hand: `python -m tests.bench.cluster.nodes` (`--help`).

One server, and `wcsd --nodes 2` beside it, get the same load in turn: pages that each publish a stream and play it some
times, as many of them on either node. Printed is the processor time for each packet that a viewer got: of the one
server; of both nodes, their parent and Redis. Both run on the processors that are there, together with the load. Linux
shares processors among sessions first, and each node is a session: all get the priority that the bench's has.
"""

import argparse
import statistics
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psutil
import trio
from attrs import define, field, frozen

from tests.support.servers.server_process import ServerProcess, running_server
from tests.support.session.wcs_client import ClientStream, WcsClient, wcs_client
from tests.support.webrtc.media_peer import MediaPeer, vp8_delta, vp8_key_frame

PAYLOAD = 1_000
"""Bytes of a packet."""
TARGET = 1.18
"""The most that a packet may cost on two nodes, in costs on one server: 1.7 times the packets on two processors."""
NODES = 2
SETTINGS = {"ip": "127.0.0.1", "ice_keep_alive_timeout": 600_000, "keep_alive.server_interval": 600_000}
"""Viewers here send nothing, and a page may be late with its pong: the bench has one processor at most."""


@define(eq=False, kw_only=True)
class CountingViewer(MediaPeer):
    """A viewer that keeps the numbers of packets alone: what is sent twice counts once."""

    check_interval: float = 2.5
    """Seconds, as in Chromium."""
    numbers: set[int] = field(init=False, factory=set)

    def _take_rtp(self, plain: bytes) -> None:
        super()._take_rtp(plain)
        self.numbers.add(self.received.pop().sequence)


@define(eq=False)
class Load:
    """Pages of one server, evenly on its nodes."""

    server: ServerProcess
    streams: list[ClientStream]
    viewers: list[CountingViewer]

    @property
    def cpu(self) -> float:
        """Seconds of all processes of the server."""
        return sum(map(_cpu, self._processes))

    def share_priority(self) -> None:
        """Give all of its sessions ours, where the system has such a thing."""
        own = Path("/proc/self/autogroup")
        if own.exists():
            _, _, nice = own.read_text().rpartition(" ")
            for process in self._processes:
                Path(f"/proc/{process.pid}/autogroup").write_text(nice)

    @property
    def _processes(self) -> list[psutil.Process]:
        parent = psutil.Process(self.server.pid)
        return [parent, *parent.children(recursive=True)]


@frozen
class Figures:
    """Of one phase: processor seconds, packets that viewers were to get, and got."""

    cpu: float
    wanted: int
    got: int

    @property
    def lost(self) -> int:
        return self.wanted - self.got

    @property
    def cost(self) -> float:
        """Microseconds a packet."""
        return self.cpu / max(1, self.got) * 1e6


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--streams", type=int, default=10)
    parser.add_argument("--viewers", type=int, default=6, help="of each stream")
    parser.add_argument("--rate", type=int, default=100, help="packets a second of each stream")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each phase")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trio.run(_measure, Path(folder), arguments)


async def _measure(folder: Path, arguments: argparse.Namespace) -> None:
    async with AsyncExitStack() as stack:
        loads = {}
        for name, options in (("one", []), ("nodes", [f"--nodes={NODES}"])):
            (folder / name).mkdir()
            server = stack.enter_context(running_server(folder / name, SETTINGS, options=options))
            loads[name] = await stack.enter_async_context(_load(server, len(options) * (NODES - 1) + 1, arguments))
        costs: dict[str, list[float]] = {name: [] for name in loads}
        for _ in range(arguments.rounds):
            for name, load in loads.items():
                figures = await _phase(load, arguments)
                costs[name].append(figures.cost)
                print(f"{name:<6} {figures.cost:6.1f} us a packet, {figures.lost} of {figures.wanted} lost")
    one, both = (statistics.median(some) for some in costs.values())
    met = "met" if both / one <= TARGET else "MISSED"
    print(f"two nodes cost {both / one:.2f} of one server a packet (medians); target {TARGET}: {met}")


@asynccontextmanager
async def _load(server: ServerProcess, nodes: int, arguments: argparse.Namespace) -> AsyncIterator[Load]:
    async with AsyncExitStack() as stack:
        pages = await _even_pages(server, nodes, arguments.streams, stack)
        load = Load(server, [], [])
        load.share_priority()
        for number, page in enumerate(pages):
            stream = await page.publish(f"stream-{number}")
            load.streams.append(stream)
            for _ in range(arguments.viewers):
                viewer = CountingViewer()
                await page.play(stream.name, peer=viewer)
                stream.send_key_frame()
                load.viewers.append(viewer)
        yield load


async def _even_pages(server: ServerProcess, nodes: int, count: int, stack: AsyncExitStack) -> list[WcsClient]:
    """Pages on each node, `count` in all: the system chooses the node of each, so some more are opened."""
    by_node: dict[str, list[WcsClient]] = {}
    known: set[str] = set()
    while len(by_node) < nodes or any(len(pages) < count // nodes for pages in by_node.values()):
        page = await stack.enter_async_context(wcs_client(server.ws_url()))
        found = await trio.to_thread.run_sync(server.connections)
        (new,) = [each for each in found if each["sessionId"] not in known]
        known.add(new["sessionId"])
        by_node.setdefault(new["nodeId"], []).append(page)
    return [page for pages in by_node.values() for page in pages[: count // nodes]]


async def _phase(load: Load, arguments: argparse.Namespace) -> Figures:
    await _send(load.streams, arguments.rate, 1.0)
    for viewer in load.viewers:
        viewer.numbers.clear()
    before = load.cpu
    sent = await _send(load.streams, arguments.rate, arguments.seconds)
    await trio.sleep(0.3)
    cpu = load.cpu - before
    return Figures(cpu, sent * arguments.viewers, sum(len(viewer.numbers) for viewer in load.viewers))


async def _send(streams: Sequence[ClientStream], rate: int, seconds: float) -> int:
    """A packet of each stream at a time."""
    began, count = trio.current_time(), int(rate * seconds)
    for number in range(count):
        for stream in streams:
            stream.sequence += 1
            head = vp8_key_frame() if number % rate == 0 else vp8_delta(b"")
            stamp = stream.sequence * 90_000 // rate
            stream.peer.send(stream.peer.rtp(stream.sequence, head.ljust(PAYLOAD, b"\0"), marker=True, timestamp=stamp))
        await trio.sleep_until(began + (number + 1) / rate)
    return count * len(streams)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


if __name__ == "__main__":
    main()
