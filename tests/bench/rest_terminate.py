"""How long `POST /rest-api/stream/terminate` takes. Run by hand: `python -m tests.bench.rest_terminate` (`--help`).

The server is a process of its own. It holds streams in PENDING: each was asked for over the public WebSocket, has its
answer, and waits for an ICE check that never comes. With 1, 100 and 5,000 of them, two things are measured at a client
with one open connection:

    one     a request that names one stream, which is published again before the next request
    all     one request for every stream there is; `told` is when the clients have all their status frames

The backend is the built-in one, so hooks are sent and answered. Figures hold the client's part, too.
"""

import argparse
import http.client
import json
import os
import signal
import statistics
import tempfile
import time
from pathlib import Path

import trio
from attrs import define, field
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

from tests.support.media_peer import MediaPeer
from tests.support.server_process import ServerProcess, running_server

COUNTS = (1, 100, 5000)
STREAMS_PER_SESSION = 1000
SETTINGS = {"ip": "127.0.0.1", "ice_timeout": 3_600_000, "log.level": "warning", "overload.max_loop_lag": 0}
TIME_LIMIT = 10 * 60  # seconds
HEAD = f"{'streams':>7} {'one p50 ms':>10} {'p99 ms':>8} {'most ms':>8} {'all ms':>9} {'told ms':>8}"
HEAD += f" {'MiB':>6} {'load':>5}"


@define(eq=False)
class Publisher:
    """One client, which counts what it is told and reads no more of it than the kind."""

    socket: WebSocketConnection
    offer: str
    answered: int = 0
    ended: int = 0
    _changed: trio.Event = field(factory=trio.Event)

    async def connect(self) -> None:
        await self._send("connection", {"appKey": "defaultApp", "mediaProviders": ["WebRTC"]})

    async def publish(self, name: str) -> None:
        stream = {"mediaSessionId": name, "name": name, "published": True, "mediaProvider": "WebRTC", "sdp": self.offer}
        await self._send("publishStream", stream | {"hasVideo": True, "hasAudio": True})

    async def until(self, *, answered: int = 0, ended: int = 0) -> None:
        """Wait for so many answers and ends in all."""
        while self.answered < answered or self.ended < ended:
            await self._changed.wait()

    async def read(self) -> None:
        try:
            while True:
                text = await self.socket.get_message()
                self.answered += '"setRemoteSDP"' in text
                self.ended += '"notifyStreamStatusEvent"' in text
                self._changed.set()
                self._changed = trio.Event()
        except ConnectionClosed:
            return

    async def _send(self, message: str, data: object) -> None:
        await self.socket.send_message(json.dumps({"message": message, "data": [data]}))


class Rest:
    """A REST client with one connection, as plain as can be."""

    def __init__(self, server: ServerProcess) -> None:
        (address,) = server.addresses["http"]
        self._connection = http.client.HTTPConnection(address.host, address.port, timeout=60)

    def terminate(self, filters: dict[str, object]) -> float:
        """Send it and take the answer; the time that took, in milliseconds."""
        body = json.dumps(filters)
        began = time.perf_counter()
        self._connection.request("POST", "/rest-api/stream/terminate", body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        answer.read()
        took = (time.perf_counter() - began) * 1000
        if answer.status != 200:
            raise RuntimeError(f"terminate was answered {answer.status}")
        return took


def main() -> None:
    """Measure what the command line asks for, and print it."""
    arguments = _arguments()
    signal.alarm(TIME_LIMIT)
    print(f"load before: {os.getloadavg()[0]:.1f}\n{HEAD}", flush=True)
    for count in arguments.streams:
        with tempfile.TemporaryDirectory() as folder, running_server(Path(folder), SETTINGS) as server:
            trio.run(_measure, server, count, arguments.requests)


async def _measure(server: ServerProcess, count: int, requests: int) -> None:
    offer = _offer()
    sizes = [min(STREAMS_PER_SESSION, count - start) for start in range(0, count, STREAMS_PER_SESSION)]
    async with trio.open_nursery() as nursery:
        publishers = [await _held(server, nursery, offer, f"s{number}-", size) for number, size in enumerate(sizes)]
        rest = Rest(server)
        ones = await _one_by_one(rest, publishers[0], sizes[0], requests)
        memory = _resident(server.pid)
        before = [publisher.ended for publisher in publishers]
        began = time.perf_counter()
        everything = rest.terminate({"published": True})
        for publisher, ended, size in zip(publishers, before, sizes, strict=True):
            await publisher.until(ended=ended + size)
        told = (time.perf_counter() - began) * 1000
        nursery.cancel_scope.cancel()
    p50, p99 = statistics.median(ones), statistics.quantiles(ones, n=100)[98]
    shown = f"{count:>7} {p50:10.2f} {p99:8.2f} {max(ones):8.2f} {everything:9.1f} {told:8.1f} {memory:6.0f}"
    print(f"{shown} {os.getloadavg()[0]:5.1f}", flush=True)


async def _held(server: ServerProcess, nursery: trio.Nursery, offer: str, prefix: str, size: int) -> Publisher:
    """A client with so many streams in PENDING."""
    publisher: Publisher = await nursery.start(_run_publisher, server, offer)
    await publisher.connect()
    # What follows waits in the socket until the session is established; a few at a time, for its mailbox is bounded.
    await publisher.publish(f"{prefix}0")
    await publisher.until(answered=1)
    for start in range(1, size, 100):
        for number in range(start, min(start + 100, size)):
            await publisher.publish(f"{prefix}{number}")
        await publisher.until(answered=min(start + 100, size))
    return publisher


async def _run_publisher(
    server: ServerProcess, offer: str, *, task_status: trio.TaskStatus[Publisher] = trio.TASK_STATUS_IGNORED
) -> None:
    async with open_websocket_url(server.ws_url()) as socket:
        publisher = Publisher(socket, offer)
        task_status.started(publisher)
        await publisher.read()


async def _one_by_one(rest: Rest, publisher: Publisher, size: int, requests: int) -> list[float]:
    """Milliseconds of each request. The streams of one publisher are taken in turn."""
    took = []
    for number in range(requests):
        name = f"s0-{number % size}"
        took.append(rest.terminate({"name": name}))
        await publisher.until(ended=number + 1)
        await publisher.publish(name)
        await publisher.until(answered=size + number + 1)
    return took


def _offer() -> str:
    peer = MediaPeer()
    peer.udp.close()
    return peer.publish_offer()


def _resident(pid: int) -> float:
    """Resident memory in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Latency of stream/terminate.")
    parser.add_argument("--streams", type=int, nargs="+", default=COUNTS, help="streams live at a time (%(default)s)")
    parser.add_argument("--requests", type=int, default=300, help="requests that name one stream (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
