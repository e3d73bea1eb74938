"""What idle sessions cost. Run by hand: `python -m tests.bench.session.idle_sessions` (`--help` tells of its options).

Opens WebSocket sessions as the WebSDK does, lets them rest (each answers the server's ping, every five seconds by
default), and prints the server's processor time in percent of one core, and its memory a session. The clients are in
this process, and are not counted.
"""

import argparse
import json
import os
import resource
import signal
import ssl
import tempfile
import time
from pathlib import Path

import psutil
import trio
from trio_websocket import ConnectionClosed, open_websocket_url

from tests.support.servers.server_process import ServerProcess, running_server
from tests.support.session.wcs_client import untrusting

AT_ONCE = 20
"""Handshakes under way at a time."""
TIME_LIMIT = 10 * 60  # seconds
CONNECTION = json.dumps({"message": "connection", "data": [{"appKey": "defaultApp", "mediaProviders": ["WebRTC"]}]})
PONG = json.dumps({"message": "pong", "data": [None]})


def main() -> None:
    """Measure what the command line asks for, and print it."""
    arguments = _arguments()
    signal.alarm(TIME_LIMIT)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    settings = {
        "ip": "127.0.0.1",
        "log.level": "warning",
        "max_sessions_per_address": arguments.sessions,
        "ws.max_upgrades_per_address": arguments.sessions,
    }
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder), settings) as server:
        trio.run(_measure, server, arguments)


async def _measure(server: ServerProcess, arguments: argparse.Namespace) -> None:
    process = psutil.Process(server.pid)
    before = process.memory_info().rss
    tls = untrusting() if arguments.tls else None
    url = server.wss_url() if arguments.tls else server.ws_url()
    async with trio.open_nursery() as nursery:
        began = time.perf_counter()
        await _open_all(nursery, url, tls, arguments.sessions)
        opening = time.perf_counter() - began
        memory = (process.memory_info().rss - before) / arguments.sessions
        await trio.sleep(arguments.rest)
        cpu, began = _processor_time(process), time.perf_counter()
        await trio.sleep(arguments.seconds)
        share = (_processor_time(process) - cpu) / (time.perf_counter() - began)
        print(f"{arguments.sessions} idle {'wss' if tls else 'ws'} sessions, opened in {opening:.1f} s:", end=" ")
        print(f"{share:.2%} of a core, {memory / 1024:.0f} KiB each; load {os.getloadavg()[0]:.1f}", flush=True)
        nursery.cancel_scope.cancel()


async def _open_all(nursery: trio.Nursery, url: str, tls: ssl.SSLContext | None, count: int) -> None:
    limiter = trio.CapacityLimiter(AT_ONCE)

    async def open_one() -> None:
        async with limiter:
            await nursery.start(_rest, url, tls)

    async with trio.open_nursery() as opening:
        for _ in range(count):
            opening.start_soon(open_one)


async def _rest(
    url: str, tls: ssl.SSLContext | None, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """One session that does nothing but answer pings."""
    async with open_websocket_url(url, ssl_context=tls) as socket:
        await socket.send_message(CONNECTION)
        try:
            while True:
                text = await socket.get_message()
                if '"getUserData"' in text:
                    task_status.started()
                elif '"ping"' in text:
                    await socket.send_message(PONG)
        except ConnectionClosed:
            return


def _processor_time(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Cost of idle sessions.")
    parser.add_argument("--sessions", type=int, default=1000, help="(%(default)s)")
    parser.add_argument("--rest", type=float, default=6, help="seconds before measuring begins (%(default)s)")
    parser.add_argument("--seconds", type=float, default=30, help="seconds of measuring (%(default)s)")
    parser.add_argument("--tls", action="store_true", help="over wss")
    return parser.parse_args()


if __name__ == "__main__":
    main()
