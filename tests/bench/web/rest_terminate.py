"""How long `POST /rest-api/stream/terminate` takes. Run by hand: `python -m tests.bench.web.rest_terminate` (`--help`).

The server is a process of its own. It holds streams in PENDING: each was asked for over the public WebSocket, has its
answer, and waits for an ICE check that never comes. With 1, 100 and 5,000 of them, two things are measured at a client
with one open connection:

    one     a request that names one stream, which is published again before the next request
    all     one request for all these streams; `told` is when the clients' kernel has all their status frames, `told
            p99` when it has 99 % of them

Of `all` it also prints the longest pass of the server's event loop, in processor time (`pass cpu`) and in real time
(`wall`), and how long the packets of another stream take meanwhile, beside how long they took just before.

Where no client has many streams, the clients read nothing while they are told, for they would take a processor from the
server that they do not share with it on machines of their own; when it told them is known from the kernel.

The backend is the built-in one, so hooks are sent and answered. Figures hold the client's part, too. With `--rounds`,
each number is measured that often, each time on a fresh server, and the last line has the medians.
"""

import argparse
import http.client
import json
import os
import signal
import socket
import ssl
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import trio
from attrs import define, field
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from tests.bench.media.peers.clocks import ANCILLARY_SIZE, SO_TIMESTAMPNS, stamp_of
from tests.bench.meters.pass_meter import ASK, MARK
from tests.bench.meters.processor_time import processor_time, rest_beside
from tests.support.servers.server_process import POLL, ROOT, ServerProcess, running_server
from tests.support.webrtc.media_peer import MediaPeer

COUNTS = (1, 100, 5000)
SETTINGS = {
    "ip": "127.0.0.1",
    "ice_timeout": 3_600_000,
    "log.level": "warning",
    "overload.max_loop_lag": 0,
    "keep_alive.server_interval": 86_400_000,  # these clients answer no pings
}
TIME_LIMIT = 10 * 60  # seconds
END = b'"notifyStreamStatusEvent"'
QUIET = 2.0  # seconds in which the other stream is measured alone
FEW = 10  # streams of a client whose ends the kernel keeps until it reads them
COLUMNS = {
    "streams": 7, "one p50": 8, "one p99": 8, "all": 8, "told p99": 8, "told": 8, "told cpu": 8, "cpu": 7,
    "pass cpu": 8, "wall": 7, "other p50": 9, "p99": 7, "most": 7, "missing": 7,
    "before p99": 10, "MiB": 6, "load": 5,
}  # fmt: skip
"""What is printed, and how wide; times in milliseconds."""


class StampedStream(trio.abc.Stream):
    """A TCP connection that knows when the kernel got what was read last."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.read_at = 0.0
        """Seconds since the epoch."""
        self._stream = stream
        stream.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        data, ancillary, _, _ = await self._stream.socket.recvmsg(max_bytes or 65536, ANCILLARY_SIZE)
        if ancillary:
            seconds, nanoseconds = struct.unpack("qq", stamp_of(ancillary))
            self.read_at = seconds + nanoseconds / 1e9
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()


class CountingStream(trio.abc.Stream):
    """A client's connection. Once it is told to count, it takes no more notice of what comes than this.

    To parse the frames takes as long as to make them, and the client must not be slower than the server. For the same
    reason it is the kernel, by `tcp`, that says when they came.
    """

    def __init__(self, stream: trio.abc.Stream, tcp: StampedStream) -> None:
        self._stream = stream
        self._tcp = tcp
        self._tail = b""
        self.counts = False
        self.ended = 0
        self.times: list[float] = []
        """When each of the ends came, in seconds since the epoch."""
        self.changed = trio.Event()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        while (data := await self._stream.receive_some(max_bytes)) and self.counts:
            seen = self._tail + data
            self.times += [self._tcp.read_at] * seen.count(END)
            self.ended = len(self.times)
            self._tail = seen[1 - len(END) :]
            self.changed.set()
            self.changed = trio.Event()
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()


@define(eq=False)
class Publisher:
    """One client, which counts what it is told and reads no more of it than the kind."""

    socket: WebSocketConnection
    stream: CountingStream
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

    async def until_counted(self, ended: int) -> None:
        """Wait for so many ends from the moment on at which the stream counts."""
        while self.stream.ended < ended:
            await self.stream.changed.wait()

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

    def terminate(self, filters: Mapping[str, object]) -> float:
        """Send it and take the answer; the time that took, in milliseconds."""
        body = json.dumps(dict(filters))
        began = time.perf_counter()
        self._connection.request("POST", "/rest-api/stream/terminate", body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        answer.read()
        took = (time.perf_counter() - began) * 1000
        if answer.status != 200:
            raise RuntimeError(f"terminate was answered {answer.status}")
        return took


class OtherStream:
    """A process with a stream that goes on meanwhile."""

    def __init__(self, server: ServerProcess) -> None:
        command = [sys.executable, "-m", "tests.bench.meters.other_stream", server.ws_url()]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._read()

    def packets(self) -> dict[str, float]:
        """Of its packets since the last call: how many came, and how long they took."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        told: dict[str, float] = json.loads(self._read())
        return told

    def close(self) -> None:
        self._process.communicate()

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def main() -> None:
    """Measure what the command line asks for, and print it."""
    arguments = _arguments()
    signal.alarm(TIME_LIMIT)
    print(" ".join(f"{name:>{width}}" for name, width in COLUMNS.items()), flush=True)
    tls = _any_certificate() if arguments.tls else None
    for count in arguments.streams:
        rows = []
        for _ in range(arguments.rounds):
            with (
                tempfile.TemporaryDirectory() as folder,
                running_server(Path(folder), SETTINGS, module="tests.bench.meters.pass_meter") as server,
            ):
                rows.append(trio.run(_measure, server, count, arguments.requests, arguments.per_session, tls))
                _print(rows[-1])
        if len(rows) > 1:
            print("medians:")
            _print({name: statistics.median(row[name] for row in rows) for name in COLUMNS})


def _print(row: Mapping[str, float]) -> None:
    texts = (f"{row[name]:{width}.{0 if row[name] >= 1000 else 1}f}" for name, width in COLUMNS.items())
    print(" ".join(texts), flush=True)


async def _measure(
    server: ServerProcess, count: int, requests: int, per_session: int, tls: ssl.SSLContext | None
) -> dict[str, float]:
    sdp = offer()
    sizes = [min(per_session, count - start) for start in range(0, count, per_session)]
    async with trio.open_nursery() as nursery:
        publishers = []
        for number, size in enumerate(sizes):
            publisher: Publisher = await nursery.start(run_publisher, server, sdp, tls)
            await hold(publisher, f"s{number}-", size)
            publishers.append(publisher)
        rest = Rest(server)
        ones = await _one_by_one(rest, publishers[0], sizes[0], requests)
        measured = await _all_at_once(server, rest, publishers, sizes)
        nursery.cancel_scope.cancel()
    p50, p99 = statistics.median(ones), statistics.quantiles(ones, n=100)[98]
    return measured | {"streams": count, "one p50": p50, "one p99": p99, "load": os.getloadavg()[0]}


async def _all_at_once(
    server: ServerProcess, rest: Rest, publishers: Sequence[Publisher], sizes: Sequence[int]
) -> dict[str, float]:
    """One request for all, beside another stream."""
    other = await trio.to_thread.run_sync(OtherStream, server)
    await trio.sleep(QUIET)
    quiet = await trio.to_thread.run_sync(other.packets)
    memory = _resident(server.pid)
    for publisher in publishers:
        publisher.stream.counts = True
    await passes(server)
    before, began = processor_time(server.pid), time.time()
    told_cpu, times = 0.0, [0.0]
    async with trio.open_nursery() as nursery:
        answer = await _start(nursery, rest)
        looks = await rest_beside(server.pid) if max(sizes) <= FEW else []
        for publisher, size in zip(publishers, sizes, strict=True):
            await publisher.until_counted(size)
        looks.append((time.time(), processor_time(server.pid)))
        times = sorted(at - began for publisher in publishers for at in publisher.stream.times)
        told_cpu = (next(cpu for at, cpu in looks if at - began >= times[-1]) - before) * 1000
    took, cpu = answer[0], (processor_time(server.pid) - before) * 1000
    busy, longest = await trio.to_thread.run_sync(other.packets), await passes(server)
    await trio.to_thread.run_sync(other.close)
    return {
        "all": took,
        "told p99": times[int(len(times) * 0.99)] * 1000,
        "told": times[-1] * 1000,
        "told cpu": told_cpu,
        "cpu": cpu,
        "pass cpu": longest["cpu"],
        "wall": longest["wall"],
        "other p50": busy["p50"],
        "p99": busy["p99"],
        "most": busy["most"],
        "missing": busy["missing"],
        "before p99": quiet["p99"],
        "MiB": memory,
    }


async def _start(nursery: trio.Nursery, rest: Rest) -> list[float]:
    """Ask for the end of all, in a thread of its own; the list will have the milliseconds of the answer."""
    answer: list[float] = []

    async def ask() -> None:
        # The other stream has no sound, and stays.
        answer.append(await trio.to_thread.run_sync(rest.terminate, {"published": True, "hasAudio": True}))

    nursery.start_soon(ask)
    return answer


async def passes(server: ServerProcess) -> dict[str, float]:
    """What the meter in the server says about the passes since the last call."""
    said = server.log().count(MARK)
    os.kill(server.pid, ASK)
    while (log := server.log()).count(MARK) == said:  # noqa: ASYNC110 - it is another process
        await trio.sleep(POLL)
    told: dict[str, float] = json.loads(log.rpartition(MARK)[2].partition("\n")[0])
    return told


async def hold(publisher: Publisher, prefix: str, size: int) -> None:
    """Have so many streams in PENDING."""
    await publisher.connect()
    # What follows waits in the socket until the session is established; a few at a time, for its mailbox is bounded.
    await publisher.publish(f"{prefix}0")
    await publisher.until(answered=1)
    for start in range(1, size, 100):
        for number in range(start, min(start + 100, size)):
            await publisher.publish(f"{prefix}{number}")
        await publisher.until(answered=min(start + 100, size))


async def run_publisher(
    server: ServerProcess,
    offer: str,
    tls: ssl.SSLContext | None,
    *,
    task_status: trio.TaskStatus[Publisher] = trio.TASK_STATUS_IGNORED,
) -> None:
    (address,) = server.addresses["ws" if tls is None else "wss"]
    tcp = StampedStream(await trio.open_tcp_stream(address.host, address.port))
    stream = CountingStream(tcp if tls is None else trio.SSLStream(tcp, tls), tcp)
    async with trio.open_nursery() as nursery:
        # Any stream will do, whatever the annotation says.
        transport = cast(trio.SocketStream, stream)
        connection = await wrap_client_stream(nursery, transport, f"{address.host}:{address.port}", "/")
        publisher = Publisher(connection, stream, offer)
        task_status.started(publisher)
        await publisher.read()
        nursery.cancel_scope.cancel()


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


def _any_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def offer() -> str:
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
    parser.add_argument("--per-session", type=int, default=1000, help="streams of one client (%(default)s)")
    parser.add_argument("--tls", action="store_true", help="clients use wss")
    parser.add_argument("--rounds", type=int, default=1, help="measurements of each number (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
