"""What it costs to pass streams between nodes. Run by hand: `python -m tests.bench.cluster.relays` (`--help`).

Two servers are processes of their own, with a private Redis. The first has all publications, a picture of each at the
same moment, or one after the other (`--apart`); one viewer of each is on the first node (`local`), and then on the
second (`relay`). Printed are the processor time of both servers for each packet, the time from the publisher to the
viewer, and that from `playStream` to the first packet of media. What the relay adds is the difference. `--before
CHECKOUT` measures the servers of another checkout in turn with these, in the same run.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psutil
import trio
from attrs import define, field, frozen

from tests.support.redis.redis_server import redis_server
from tests.support.servers.server_process import ROOT, ServerProcess, running_server
from tests.support.session.wcs_client import ClientStream, WcsClient, wcs_client
from tests.support.webrtc.media_peer import MediaPeer, vp8_delta, vp8_key_frame

PACKET = 1_000
"""Bytes of payload."""
LARGEST = 1_170
"""Bytes of payload, where pictures are of any size."""
JOINS = 12


@define(eq=False, kw_only=True)
class TimedViewer(MediaPeer):
    """A viewer that measures how long packets have been on their way, in seconds."""

    check_interval: float = 2.5
    """Seconds, as in Chromium."""
    delays: list[float] = field(init=False, factory=list)

    def _take_rtp(self, plain: bytes) -> None:
        now = time.perf_counter_ns()
        super()._take_rtp(plain)
        payload = self.received.pop().payload
        if payload[1] & 1:  # no key frame
            self.delays.append((now - int.from_bytes(payload[4:12], "big")) / 1e9)


@frozen
class Load:
    """Of one phase: pictures a second, packets of each, and seconds.

    `apart`: each stream has moments of its own; `uneven`: each picture a size of its own.
    """

    pictures: int
    packets: int
    seconds: float
    apart: bool = False
    uneven: bool = False

    def sizes(self, stream: str, number: int) -> list[int]:
        """Bytes of payload of a picture's packets: as in Chromium, they differ by one at most."""
        if not self.uneven:
            return [PACKET] * self.packets
        least = LARGEST * self.packets // 2
        size, rest = divmod(random.Random(f"{stream} {number}").randrange(least, 2 * least), self.packets)
        return [size] * (self.packets - rest) + [size + 1] * rest


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
    parser.add_argument("--pictures", type=int, default=25, help="a second, of each stream")
    parser.add_argument("--packets", type=int, default=5, help="of each picture, which leave back to back")
    parser.add_argument("--apart", action="store_true", help="the pictures of different streams at different moments")
    parser.add_argument("--uneven", action="store_true", help="pictures of different sizes, as browsers make them")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each phase")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--before", type=lambda path: Path(path).resolve(), help="another checkout")
    arguments = parser.parse_args()
    trio.run(_measure, arguments)


async def _measure(arguments: argparse.Namespace) -> None:
    load = Load(arguments.pictures, arguments.packets, arguments.seconds, arguments.apart, arguments.uneven)
    roots = {"now": ROOT} if arguments.before is None else {"before": arguments.before, "now": ROOT}
    async with AsyncExitStack() as stack:
        pairs = [await stack.enter_async_context(_two_nodes(name, root)) for name, root in roots.items()]
        for pair in pairs:
            await _measure_joins(pair)
        for pair in pairs:
            pair.streams = [await pair.one.publish(f"stream-{number}") for number in range(arguments.streams)]
        for _ in range(arguments.rounds):
            for pair in pairs:
                await _measure_packets(pair, load)
        for pair in pairs:
            pair.show()


@asynccontextmanager
async def _two_nodes(name: str, root: Path) -> "AsyncIterator[Pair]":
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = await stack.enter_async_context(redis_server(folder))
        nodes = []
        for node in ("a", "b"):
            (folder / node).mkdir()
            settings = {"cluster.redis_url": redis.url, "ip": "127.0.0.1", "cluster.relay_linger": 0, "wss.port": 0}
            nodes.append(stack.enter_context(running_server(folder / node, settings, root=root)))
        one, other = [await stack.enter_async_context(wcs_client(node.ws_url())) for node in nodes]
        yield Pair(name, nodes, one, other)


# -- packets ---------------------------------------------------------------------------------------------------------


@define(eq=False)
class Pair:
    """Two nodes of one version: a client of each, and what was measured."""

    name: str
    nodes: Sequence[ServerProcess]
    one: WcsClient
    other: WcsClient
    streams: list[ClientStream] = field(factory=list)
    local: list[Figures] = field(factory=list)
    relay: list[Figures] = field(factory=list)

    def show(self) -> None:
        """The medians."""
        local, relay = (statistics.median(each.cost for each in some) for some in (self.local, self.relay))
        phases = zip(self.relay, self.local, strict=True)
        cost = statistics.median(far.cost - near.cost for far, near in phases)
        delay = statistics.median(
            statistics.median(far.delays) - statistics.median(near.delays)
            for far, near in zip(self.relay, self.local, strict=True)
        )
        print(
            f"{self.name}: local {local:.1f}, relay {relay:.1f} us a packet; a relay adds {cost:.1f} us a packet"
            f" ({cost / local:.2f} of local), {delay * 1000:.2f} ms (medians)"
        )


async def _measure_packets(pair: Pair, load: Load) -> None:
    for name, client, figures in (("local", pair.one, pair.local), ("relay", pair.other, pair.relay)):
        async with _viewers(client, pair.streams) as viewers:
            figures.append(await _phase(pair.nodes, pair.streams, viewers, load))
        _show(f"{pair.name} {name} {len(figures)}", figures[-1])


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
    nodes: Sequence[ServerProcess], streams: Sequence[ClientStream], viewers: Sequence[TimedViewer], load: Load
) -> Figures:
    await _send(streams, load, 1.0)  # every way is open, every viewer has begun
    for viewer in viewers:
        viewer.delays.clear()
    before = sum(map(_cpu, nodes))
    sent = await _send(streams, load, load.seconds)
    cpu = sum(map(_cpu, nodes)) - before
    await trio.sleep(0.3)
    return Figures(cpu, sent, [delay for viewer in viewers for delay in viewer.delays])


async def _send(streams: Sequence[ClientStream], load: Load, seconds: float) -> int:
    """Pictures of all streams; one a second is a key frame."""
    began, count = trio.current_time(), int(load.pictures * seconds)
    groups = [[stream] for stream in streams] if load.apart else [streams]
    for number in range(count):
        for place, group in enumerate(groups, 1):
            packets = [_picture(stream, number, load) for stream in group]
            for stream, some in zip(group, packets, strict=True):
                for packet in some:
                    stream.peer.send(packet)
            await trio.sleep_until(began + (number + place / len(groups)) / load.pictures)
    return count * len(streams) * load.packets


def _picture(stream: ClientStream, number: int, load: Load) -> list[bytes]:
    """Its packets, ready to be sent; all but the first of a key frame have the time in them."""
    stamp, packets = time.perf_counter_ns().to_bytes(8, "big"), []
    for place, size in enumerate(load.sizes(stream.name, number)):
        stream.sequence += 1
        is_key = number % load.pictures == place == 0
        payload = (vp8_key_frame() if is_key else vp8_delta(stamp)).ljust(size, b"\0")
        is_last, timestamp = place == load.packets - 1, number * 90_000 // load.pictures
        packets.append(stream.peer.rtp(stream.sequence, payload, marker=is_last, timestamp=timestamp))
    return packets


def _cpu(node: ServerProcess) -> float:
    times = psutil.Process(node.pid).cpu_times()
    return times.user + times.system


def _show(name: str, figures: Figures) -> None:
    delays = sorted(figures.delays)
    p50, p99 = delays[len(delays) // 2], delays[len(delays) * 99 // 100]
    print(
        f"{name:<15} {figures.cost:6.1f} us a packet, {p50 * 1000:.2f} ms p50, {p99 * 1000:.2f} ms p99,"
        f" {len(delays)} of {figures.sent} packets"
    )


# -- joins -----------------------------------------------------------------------------------------------------------


async def _measure_joins(pair: Pair) -> None:
    times: dict[str, list[float]] = {"local": [], "relay": []}
    for number in range(JOINS):
        for name, client in (("local", pair.one), ("relay", pair.other)):
            stream = await pair.one.publish(f"join-{name}-{number}")
            began = time.perf_counter()
            player = await client.play(stream.name)
            await player.until_media()
            times[name].append((time.perf_counter() - began) * 1000)
            await _stop(pair.one, stream)
    for name, some in times.items():
        print(f"{pair.name} join {name}: {statistics.median(some):.1f} ms p50, {max(some):.1f} ms at most")
    added = statistics.median(times["relay"]) - statistics.median(times["local"])
    print(f"{pair.name}: a relay adds {added:.1f} ms to a join")


async def _stop(client: WcsClient, stream: ClientStream) -> None:
    """A publication ends, and its player with it."""
    await client.send("unPublishStream", {"mediaSessionId": stream.id, "name": stream.name})
    await stream.until_closed()
    stream.leave()


if __name__ == "__main__":
    main()
