"""What it costs to pass streams between nodes. Run by hand: `python -m tests.bench.relays` (`--help`).

Two servers are processes of their own, with a private Redis. The first has all publications, a packet of each at a
time; one viewer of each is on the first node (`local`), and then on the second (`relay`). Printed are the processor
time of both servers for each packet, the time from the publisher to the viewer, and the time from `playStream` to the
first packet of media. What the relay adds is the difference.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psutil
import trio
from attrs import define, field, frozen

from tests.support.media_peer import MediaPeer, vp8_delta, vp8_key_frame
from tests.support.redis_server import redis_server
from tests.support.server_process import ServerProcess, running_server
from tests.support.wcs_client import ClientStream, WcsClient, wcs_client

PACKET = 1_000
"""Bytes of payload."""
JOINS = 12


@define(eq=False, kw_only=True)
class TimedViewer(MediaPeer):
    """A viewer that measures how long packets have been on their way, in seconds."""

    delays: list[float] = field(init=False, factory=list)

    def _take_rtp(self, plain: bytes) -> None:
        now = time.perf_counter_ns()
        super()._take_rtp(plain)
        payload = self.received.pop().payload
        if len(payload) == PACKET:
            self.delays.append((now - int.from_bytes(payload[4:12], "big")) / 1e9)


@frozen
class Figures:
    """Of one phase: processor seconds of both servers, packets that viewers got, and their delays."""

    cpu: float
    sent: int
    delays: Sequence[float]

    @property
    def cost(self) -> float:
        """Microseconds of processor time a packet."""
        return self.cpu / max(1, len(self.delays)) * 1e6


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--rate", type=int, default=100, help="packets a second of each stream")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each phase")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trio.run(_measure, Path(folder), arguments)


async def _measure(folder: Path, arguments: argparse.Namespace) -> None:
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(redis_server(folder))
        nodes = []
        for name in ("a", "b"):
            (folder / name).mkdir()
            settings = {"cluster.redis_url": redis.url, "ip": "127.0.0.1", "cluster.relay_linger": 0, "wss.port": 0}
            nodes.append(stack.enter_context(running_server(folder / name, settings)))
        one, other = [await stack.enter_async_context(wcs_client(node.ws_url())) for node in nodes]
        await _measure_joins(one, other)
        await _measure_packets(nodes, one, other, arguments)


# -- packets ---------------------------------------------------------------------------------------------------------


async def _measure_packets(
    nodes: Sequence[ServerProcess], one: WcsClient, other: WcsClient, arguments: argparse.Namespace
) -> None:
    streams = [await one.publish(f"stream-{number}") for number in range(arguments.streams)]
    added = []
    for number in range(arguments.rounds):
        figures = {}
        for name, client in (("local", one), ("relay", other)):
            async with _viewers(client, streams) as viewers:
                figures[name] = await _phase(nodes, streams, viewers, arguments.rate, arguments.seconds)
            _show(f"{name} {number + 1}", figures[name])
        cost = figures["relay"].cost - figures["local"].cost
        delay = statistics.median(figures["relay"].delays) - statistics.median(figures["local"].delays)
        added.append((cost, delay * 1000))
    costs, delays = zip(*added, strict=True)
    print(f"relay adds: {statistics.median(costs):.1f} us a packet, {statistics.median(delays):.2f} ms (medians)")


@asynccontextmanager
async def _viewers(client: WcsClient, streams: Sequence[ClientStream]) -> AsyncIterator[list[TimedViewer]]:
    viewers, played = [], []
    for stream in streams:
        viewer = TimedViewer()
        played.append(await client.play(stream.name, peer=viewer))
        stream.send_key_frame()
        viewers.append(viewer)
    yield viewers
    for each in played:
        await client.send("stopStream", {"mediaSessionId": each.id, "name": each.name})
        await each.until_closed()
        each.leave()


async def _phase(
    nodes: Sequence[ServerProcess],
    streams: Sequence[ClientStream],
    viewers: Sequence[TimedViewer],
    rate: int,
    seconds: float,
) -> Figures:
    await _send(streams, rate, 1.0)  # every way is open, every viewer has begun
    for viewer in viewers:
        viewer.delays.clear()
    before = sum(map(_cpu, nodes))
    sent = await _send(streams, rate, seconds)
    cpu = sum(map(_cpu, nodes)) - before
    await trio.sleep(0.3)
    return Figures(cpu, sent, [delay for viewer in viewers for delay in viewer.delays])


async def _send(streams: Sequence[ClientStream], rate: int, seconds: float) -> int:
    began, count = trio.current_time(), int(rate * seconds)
    for number in range(count):
        for stream in streams:
            stream.sequence += 1
            stamp = time.perf_counter_ns().to_bytes(8, "big")
            head = vp8_key_frame() if number % rate == 0 else vp8_delta(stamp)
            payload = head.ljust(PACKET - (number % rate == 0), b"\0")
            stream.peer.send(
                stream.peer.rtp(stream.sequence, payload, marker=True, timestamp=stream.sequence * 90_000 // rate)
            )
        await trio.sleep_until(began + (number + 1) / rate)
    return count * len(streams)


def _cpu(node: ServerProcess) -> float:
    times = psutil.Process(node.pid).cpu_times()
    return times.user + times.system


def _show(name: str, figures: Figures) -> None:
    delays = sorted(figures.delays)
    p50, p99 = delays[len(delays) // 2], delays[len(delays) * 99 // 100]
    print(
        f"{name:<8} {figures.cost:6.1f} us a packet, {p50 * 1000:.2f} ms p50, {p99 * 1000:.2f} ms p99,"
        f" {len(delays)} of {figures.sent} packets"
    )


# -- joins -----------------------------------------------------------------------------------------------------------


async def _measure_joins(one: WcsClient, other: WcsClient) -> None:
    times: dict[str, list[float]] = {"local": [], "relay": []}
    for number in range(JOINS):
        for name, client in (("local", one), ("relay", other)):
            stream = await one.publish(f"join-{name}-{number}")
            began = time.perf_counter()
            player = await client.play(stream.name)
            await player.until_media()
            times[name].append((time.perf_counter() - began) * 1000)
            await _stop(one, stream)
    for name, some in times.items():
        print(f"join {name}: {statistics.median(some):.1f} ms p50, {max(some):.1f} ms at most")
    added = statistics.median(times["relay"]) - statistics.median(times["local"])
    print(f"relay adds: {added:.1f} ms to a join")


async def _stop(client: WcsClient, stream: ClientStream) -> None:
    """A publication ends, and its player with it."""
    await client.send("unPublishStream", {"mediaSessionId": stream.id, "name": stream.name})
    await stream.until_closed()
    stream.leave()


if __name__ == "__main__":
    main()
