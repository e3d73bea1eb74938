"""Does media notice that Redis is away? Run by hand: `python -m tests.bench.cluster.redis_outage` (`--help`).

Two servers are processes of their own, with a Redis. The first has all publications; one viewer of each is on the first
node, and one on the second, to which a relay brings the stream. Redis works, is killed, works again, hangs, and so on;
in each phase the time from the publisher to the viewers is measured. As the phases take turns, whatever else the
machine does meets them all.
"""

import argparse
import signal
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import trio

from tests.bench.cluster import relays
from tests.bench.cluster.relays import Load, TimedViewer
from tests.support.redis.redis_server import RedisServer, redis_server
from tests.support.servers.server_process import running_server
from tests.support.session.wcs_client import ClientStream, wcs_client

TARGET = 1.10
"""How much longer the slowest hundredth may take without Redis."""
BACK = 3.0
"""Seconds in which nodes have found Redis again, and written everything."""
PHASES = ("works", "killed", "works", "hangs")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--streams", type=int, default=5)
    parser.add_argument("--rate", type=int, default=100, help="packets a second of each stream")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each phase")
    parser.add_argument("--rounds", type=int, default=4)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trio.run(_measure, Path(folder), arguments)


async def _measure(folder: Path, arguments: argparse.Namespace) -> None:
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(redis_server(folder))
        nodes = []
        for name in ("a", "b"):
            await trio.Path(folder / name).mkdir()
            settings = {"cluster.redis_url": redis.url, "ip": "127.0.0.1", "wss.port": 0}
            nodes.append(stack.enter_context(running_server(folder / name, settings)))
        one, other = [await stack.enter_async_context(wcs_client(node.ws_url(), answers_pings=True)) for node in nodes]
        streams = [await one.publish(f"stream-{number}") for number in range(arguments.streams)]
        local = await stack.enter_async_context(relays._viewers(one, streams))
        relayed = await stack.enter_async_context(relays._viewers(other, streams))
        slowest: dict[tuple[str, str], list[float]] = {}
        for _ in range(arguments.rounds):
            for phase in PHASES:
                await _bring_about(redis, phase)
                for way, delays in (await _phase(streams, local, relayed, arguments)).items():
                    slowest.setdefault((way, phase), []).append(statistics.quantiles(delays, n=100)[98] * 1000)
                if phase == "hangs":
                    redis.resume()
        await _bring_about(redis, "works")
        _tell(slowest)
        for node in nodes:
            node.terminate({"published": True})


async def _bring_about(redis: RedisServer, phase: str) -> None:
    match phase:
        case "killed":
            redis.kill()
        case "hangs":
            redis.signal(signal.SIGSTOP)
        case _:
            if not redis.path.exists():
                await redis.start()
            await trio.sleep(BACK)


async def _phase(
    streams: Sequence[ClientStream],
    local: Sequence[TimedViewer],
    relayed: Sequence[TimedViewer],
    arguments: argparse.Namespace,
) -> dict[str, list[float]]:
    for viewer in (*local, *relayed):
        viewer.delays.clear()
    sent = await relays._send(streams, Load(arguments.rate, 1, arguments.seconds), arguments.seconds)
    await trio.sleep(0.3)
    delays = {
        "local": [delay for viewer in local for delay in viewer.delays],
        "relay": [delay for viewer in relayed for delay in viewer.delays],
    }
    viewers = {"local": local, "relay": relayed}
    for way, some in delays.items():
        if len(some) < 0.98 * sent:  # a key frame of each second is not timed
            print(
                f"{way}: {sent - len(some)} of {sent} packets have not come; of each stream came "
                f"{[len(viewer.delays) for viewer in viewers[way]]}; "
                f"{sum(viewer.closed.is_set() for viewer in viewers[way])} viewers were ended by the server"
            )
    return delays


def _tell(slowest: dict[tuple[str, str], list[float]]) -> None:
    for way in ("local", "relay"):
        usual = statistics.median(slowest[way, "works"])
        print(f"{way}: with Redis 99 of 100 packets take at most {usual:.2f} ms (median of phases)")
        for phase in ("killed", "hangs"):
            ratio = statistics.median(slowest[way, phase]) / usual
            met = "met" if ratio <= TARGET else "MISSED"
            each = ", ".join(f"{value:.2f}" for value in slowest[way, phase])
            print(f"{way}: {phase:<7} {ratio:.2f} of that ({each} ms); target {TARGET}: {met}")


if __name__ == "__main__":
    main()
