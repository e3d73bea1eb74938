"""What it does to media to look at thousands of streams. Run by hand: `python -m tests.bench.web.looks` (`--help`).

The server is a process of its own and holds streams in PENDING, as in `tests.bench.web.rest_terminate`, and sessions
without any. Each look is one request, made several times. Printed are its size, the longest time until its answer was
read, and the longest pass of the server's event loop meanwhile, in processor time (`pass cpu`) and in real time
(`wall`): all media waits as long. `gc` is the longest collection of garbage, which is part of some pass.
"""

import argparse
import http.client
import signal
import tempfile
import time
from pathlib import Path

import trio
from attrs import define

from tests.bench.media.fanout_audience import allow_many_sockets
from tests.bench.web.rest_terminate import SETTINGS, TIME_LIMIT, Publisher, hold, offer, passes, run_publisher
from tests.support.servers.server_process import ServerProcess, running_server

LOOKS = (
    ("find one by its name", "POST", "/rest-api/stream/find", '{"name": "s0-7"}'),
    ("find those that play", "POST", "/rest-api/stream/find", '{"published": false}'),
    ("find by status", "POST", "/rest-api/stream/find", '{"status": "PENDING", "limit": 10}'),
    ("find_all", "GET", "/rest-api/stream/find_all", ""),
    ("find_all with metrics", "GET", "/rest-api/stream/find_all?display=metrics", ""),
    ("terminate, dry run", "POST", "/rest-api/stream/terminate?dry_run=true", '{"published": true}'),
    ("connections, one", "POST", "/rest-api/connection/find", '{"sessionId": "nobody"}'),
    ("connections, all", "GET", "/rest-api/connection/find_all", ""),
    ("page's state", "GET", "/page/state", ""),
    ("page's state, searched", "GET", "/page/state?find=s0-7", ""),
    ("page's state, sorted", "GET", "/page/state?tab=streams&sort=-name", ""),
    ("statistics", "GET", "/?action=stat", ""),
    ("metrics", "GET", "/metrics", ""),
    ("nothing", "GET", "/healthz", ""),
)
PAUSE = 1.1  # seconds between two looks, so that no snapshot is shared
HEAD = f"{'':<24} {'status':>6} {'KiB':>7} {'answer ms':>9} {'pass cpu':>8} {'gc':>5} {'wall':>7}"


@define
class Rest:
    """A client with one connection."""

    connection: http.client.HTTPConnection

    def look(self, method: str, path: str, body: str) -> tuple[int, int, float]:
        """The status, the size in bytes, and the milliseconds it took."""
        began = time.perf_counter()
        self.connection.request(method, path, body or None, {"Content-Type": "application/json"} if body else {})
        answer = self.connection.getresponse()
        size = len(answer.read())
        return answer.status, size, (time.perf_counter() - began) * 1000


def main() -> None:
    """Measure what the command line asks for, and print it."""
    arguments = _arguments()
    signal.alarm(TIME_LIMIT)
    allow_many_sockets()
    many = 100_000
    settings = {**SETTINGS, "max_sessions_per_address": many, "ws.max_upgrades_per_address": many}
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(Path(folder), settings, module="tests.bench.meters.pass_meter") as server,
    ):
        trio.run(_measure, server, arguments)


async def _measure(server: ServerProcess, arguments: argparse.Namespace) -> None:
    sdp, streams = offer(), arguments.streams
    async with trio.open_nursery() as nursery:
        for number in range(0, streams, arguments.per_session):
            publisher: Publisher = await nursery.start(run_publisher, server, sdp, None)
            await hold(publisher, f"s{number // arguments.per_session}-", min(arguments.per_session, streams - number))
        for _ in range(arguments.sessions):
            visitor: Publisher = await nursery.start(run_publisher, server, sdp, None)
            await visitor.connect()
        (address,) = server.addresses["http"]
        rest = Rest(http.client.HTTPConnection(address.host, address.port, timeout=60))
        print(f"{streams} streams, {arguments.sessions} sessions without any\n{HEAD}", flush=True)
        for name, method, path, body in LOOKS:
            await trio.sleep(PAUSE)
            print(await _row(server, rest, arguments.times, name, (method, path, body)), flush=True)
        nursery.cancel_scope.cancel()


async def _row(server: ServerProcess, rest: Rest, times: int, name: str, look: tuple[str, str, str]) -> str:
    await passes(server)
    took, status, size = 0.0, 0, 0
    for _ in range(times):
        status, size, each = await trio.to_thread.run_sync(rest.look, *look)
        took = max(took, each)
        await trio.sleep(PAUSE if times > 1 else 0)
    longest = await passes(server)
    figures = f"{status:>6} {size / 1024:>7.0f} {took:>9.1f} {longest['cpu']:>8.1f} {longest['gc']:>5.1f}"
    return f"{name:<24} {figures} {longest['wall']:>7.1f}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Passes of looks at thousands of streams.")
    parser.add_argument("--streams", type=int, default=5000, help="(%(default)s)")
    parser.add_argument("--per-session", type=int, default=1000, help="streams of one client (%(default)s)")
    parser.add_argument("--sessions", type=int, default=500, help="clients without a stream (%(default)s)")
    parser.add_argument("--times", type=int, default=3, help="how often each look is made (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
