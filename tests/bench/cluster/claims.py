"""What it costs to take a name in a cluster, and to give it back. Run by hand: `python -m tests.bench.cluster.claims`.

Names are taken 1,000 times a second, at random moments, as publications take them, but without media, and given back a
second later: all by one node, and then evenly by 10 that share a processor, each with a link of its own to a real
redis-server. Printed are the time from the question to the confirmed name, the processor time of the nodes and of Redis
for each name (given back, too), and what remains: names that were not confirmed in time, or are still in Redis.
"""

import argparse
import logging
import math
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import trio
from attrs import define, field

from config.settings import Settings
from protocol.cluster.redis_url import parse_redis_url
from tests.support.cluster.cluster_simulation import SimulatedNode
from tests.support.cluster.real_redis_nodes import real_nodes
from tests.support.redis.redis_server import RedisServer, redis_server

KEPT = 1.0
"""Seconds that a name is kept."""


@define(eq=False)
class Names:
    """How long it took to have each name confirmed."""

    seconds: list[float] = field(factory=list)

    @property
    def on_trust(self) -> int:
        """Those that were not confirmed in time."""
        return sum(seconds >= Settings().cluster_timeout for seconds in self.seconds)

    async def take(self, node: SimulatedNode, number: int) -> None:
        """One publication: its name is asked for, taken, and given back."""
        began = time.perf_counter()
        claim = await node.directory.request(f"name {number}", f"stream {number}")
        await claim.take()
        self.seconds.append(time.perf_counter() - began)
        claim.announce(node.name)
        await trio.sleep(KEPT)
        claim.release()


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--rate", type=int, default=1_000, help="names a second, of all nodes together")
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    logging.disable()
    for nodes in arguments.nodes:
        with tempfile.TemporaryDirectory() as folder:
            trio.run(_measure, Path(folder), nodes, arguments.rate, arguments.seconds)


async def _measure(folder: Path, count: int, rate: int, seconds: float) -> None:
    async with redis_server(folder) as server, real_nodes(parse_redis_url(server.url), count) as nodes:
        await _take_names(nodes, Names(), rate, 1.0)
        names, before = Names(), (time.process_time(), _cpu_of_redis(server))
        lag = await _take_names(nodes, names, rate, seconds)
        cpu, redis = time.process_time() - before[0], _cpu_of_redis(server) - before[1]
        left = await server.command("HLEN", "wcs:names")
        _show(count, rate, names, cpu, redis, lag)
        print(f"    names left in Redis {left.strip().decode().lstrip(':')}, taken on trust {names.on_trust}")


async def _take_names(nodes: Sequence[SimulatedNode], names: Names, rate: int, seconds: float) -> float:
    """So many a second, at random moments, until all are given back; how late the last one began."""
    chance, began, at = random.Random(1), trio.current_time(), 0.0
    async with trio.open_nursery() as nursery:
        for number in range(math.ceil(rate * seconds)):
            at += chance.expovariate(rate)
            if at > trio.current_time() - began:
                await trio.sleep_until(began + at)
            nursery.start_soon(names.take, nodes[number % len(nodes)], number)
        lag = trio.current_time() - began - at
    with trio.move_on_after(1.0):
        while any(node.cluster.names.table.unreleased for node in nodes):  # noqa: ASYNC110 - it tells no one
            await trio.sleep(0.01)
    return lag


def _cpu_of_redis(server: RedisServer) -> float:
    (process,) = [each for each in psutil.Process().children() if each.name() == "redis-server"]
    times = process.cpu_times()
    return times.user + times.system


def _show(nodes: int, rate: int, names: Names, cpu: float, redis: float, lag: float) -> None:
    times, number = sorted(seconds * 1000 for seconds in names.seconds), len(names.seconds)
    print(
        f"{nodes} nodes, {rate} names a second: {statistics.median(times):.1f} ms p50,"
        f" {times[number * 99 // 100]:.1f} ms p99, {times[-1]:.1f} ms at most;"
        f" {cpu / number * 1e6:.0f} us of nodes and {redis / number * 1e6:.0f} us of Redis a name;"
        f" the last was asked for {lag * 1000:.1f} ms late"
    )


if __name__ == "__main__":
    main()
