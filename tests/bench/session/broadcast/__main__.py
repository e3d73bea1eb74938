"""What a broadcast to thousands of sessions does to media: `python -m tests.bench.session.broadcast` (`--help`).

The server is a process of its own, and so are the sessions, which only count bytes. One stream is published and played:
the publisher writes its clock into each packet, the kernel stamps its arrival at the player. The delays between the two
are shown for a quiet time, and for the packets that were sent while a broadcast was under way; beside them, how long
REST took, how long until the last session had everything, and the server's processor time for each session.
"""

import argparse
import json
import resource
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import IO

import trio
from attrs import define, field, frozen

from protocol.signaling.frame_codec import encode
from protocol.signaling.frames import OnDataEvent
from protocol.webrtc.srtp import SrtpReceiver
from tests.bench.media.fanout_audience import ROOT, allow_many_sockets, load
from tests.support.servers.server_process import ServerProcess, running_server
from tests.support.session.wcs_client import ClientStream, WcsClient, wcs_client
from tests.support.webrtc.media_peer import vp8_delta

RATE = 200
"""Packets a second."""
PACKET = 1000
"""Bytes of its payload."""
PAUSE = 1.0
"""Seconds between two broadcasts, and of the quiet time for each."""
DAY_MS = 86_400_000
TIME_LIMIT = 10 * 60  # seconds
HEAD = f"{'bytes':>6} {'quiet p50':>9} {'p99':>6} {'worst':>6} {'during p50':>10} {'p99':>6} {'worst':>6}"
HEAD += f" {'packets':>7} {'REST ms':>8} {'all have it ms':>14} {'CPU us':>10} {'load':>5}"

_SO_TIMESTAMPNS = 35
_STAMP = struct.Struct("!QI")
_MARK = b"sent at:"


@frozen
class Arrival:
    """A packet at the player. Nanoseconds since the epoch."""

    sent: int
    delay: int


@define(eq=False)
class Media:
    """One stream, its publisher and its player."""

    publisher: ClientStream
    receiver: SrtpReceiver
    sink: socket.socket
    """The player's socket."""
    arrivals: list[Arrival] = field(factory=list)
    sent: int = 0

    async def run(self) -> None:
        """Send at `RATE`, and take what arrives."""
        self.sink.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        due = trio.current_time()
        with self.sink:
            while True:
                due += 1 / RATE
                await trio.sleep_until(due)
                self._send()
                self._drain()

    def _send(self) -> None:
        self.sent += 1
        stream = self.publisher
        stream.sequence += 1
        body = vp8_delta(_MARK + _STAMP.pack(time.time_ns(), self.sent)).ljust(PACKET, b"\0")
        stream.peer.send(stream.peer.rtp(stream.sequence, body, timestamp=stream.sequence * 450, marker=True))

    def _drain(self) -> None:
        while True:
            try:
                data, ancillary, _, _ = self.sink.recvmsg(2048, 64)
            except BlockingIOError:
                return
            if data[0] < 128 or not ancillary or 192 <= data[1] <= 223:
                continue  # ICE, DTLS, RTCP
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
            plain = self.receiver.unprotect(data)
            if _MARK not in plain:
                continue  # the key frame
            sent, _ = _STAMP.unpack_from(plain, plain.index(_MARK) + len(_MARK))
            self.arrivals.append(Arrival(sent, seconds * 1_000_000_000 + nanoseconds - sent))

    def delays(self, begin: int, end: int) -> list[float]:
        """Milliseconds, of the packets that were sent in that time."""
        return [arrival.delay / 1e6 for arrival in self.arrivals if begin <= arrival.sent < end]


class Crowd:
    """The process that holds the sessions."""

    def __init__(self, server: ServerProcess, size: int) -> None:
        self.size = size
        (address,) = server.addresses["ws"]
        command = [
            sys.executable,
            "-m",
            "tests.bench.session.broadcast.crowd",
            "127.0.0.1",
            str(address.port),
            str(size),
        ]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in: IO[str] = self._process.stdin
        self._out: IO[str] = self._process.stdout
        if self._out.readline().strip() != "ready":
            raise RuntimeError("the crowd did not get its sessions")

    def expect(self, size: int) -> None:
        """So many bytes come at each session."""
        self._in.write(f"{size * self.size}\n")
        self._in.flush()

    def when(self) -> int:
        """When the last of them was there."""
        return int(self._out.readline())

    def close(self) -> None:
        self._in.close()
        self._process.wait(30)
        self._out.close()


def main() -> None:
    """Measure what the command line asks for, and print it."""
    arguments = _arguments()
    signal.alarm(TIME_LIMIT)
    allow_many_sockets()
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < arguments.sessions * 4 // 3:
        raise SystemExit("too few descriptors: raise the limit (ulimit -n)")
    many = 2 * arguments.sessions
    settings = {
        "ip": "127.0.0.1",
        "log.level": "warning",
        "keep_alive.server_interval": DAY_MS,
        "ice_keep_alive_timeout": DAY_MS,
        "max_sessions": many,
        "max_sessions_per_address": many,
        "ws.max_upgrades_per_address": many,
    }
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder), settings) as server:
        crowd = Crowd(server, arguments.sessions)
        try:
            trio.run(_measure, server, crowd, arguments)
        finally:
            crowd.close()


async def _measure(server: ServerProcess, crowd: Crowd, arguments: argparse.Namespace) -> None:
    print(f"{crowd.size} sessions, {RATE} packets a second; load before {load():.1f}\n{HEAD}", flush=True)
    async with wcs_client(server.ws_url(), clientVersion="apart") as one, wcs_client(server.ws_url()) as other:
        async with trio.open_nursery() as nursery:
            media = await _media(one, other)
            nursery.start_soon(media.run)
            for size in arguments.bytes:
                print(await _row(server, crowd, media, size, arguments.broadcasts), flush=True)
            nursery.cancel_scope.cancel()


async def _media(one: WcsClient, other: WcsClient) -> Media:
    """A stream that is played. From now on the bench itself reads what the player gets."""
    publisher = await one.publish("news")
    player = await other.play("news")
    publisher.send_key_frame()
    await player.until_media()
    keys = player.peer.dtls.keys
    assert keys is not None
    media = Media(publisher, SrtpReceiver(keys), player.peer.udp.dup())
    player._running.cancel()
    return media


async def _row(server: ServerProcess, crowd: Crowd, media: Media, size: int, broadcasts: int) -> str:
    (address,) = server.addresses["http"]
    body = json.dumps({"payload": "x" * (size - 2), "all": True})
    frame = len(encode(OnDataEvent(payload="x" * (size - 2))))
    frame += 2 if frame < 126 else 4
    assert frame < 65536  # a longer one has another head
    took: list[float] = []
    reached: list[float] = []
    cpu: list[float] = []
    during: list[float] = []
    quiet: list[float] = []
    for _ in range(broadcasts):
        began = time.time_ns()
        await trio.sleep(PAUSE)
        quiet += media.delays(began, time.time_ns())
        crowd.expect(frame)
        began, used = time.time_ns(), _cpu_time(server.pid)
        await trio.to_thread.run_sync(_broadcast, address.port, body, crowd.size)
        took.append((time.time_ns() - began) / 1e6)
        ended = await trio.to_thread.run_sync(crowd.when)
        reached.append((ended - began) / 1e6)
        cpu.append((_cpu_time(server.pid) - used) * 1e6 / crowd.size)
        await trio.sleep(0.2)  # until what was sent before is there
        during += media.delays(began, ended)
    figures = [f"{size:>6}", *_spread(quiet, 9), *_spread(during, 10), f"{len(during):>7}"]
    figures += [
        f"{statistics.median(took):8.0f}",
        f"{statistics.median(reached):14.0f}",
        f"{statistics.median(cpu):10.1f}",
    ]
    return " ".join((*figures, f"{load():5.1f}"))


def _cpu_time(pid: int) -> float:
    """Seconds that a process has used, user and system together, by the scheduler's clock of it (CPUCLOCK_SCHED)."""
    return time.clock_gettime((~pid << 3) | 2)


def _broadcast(port: int, body: str, receivers: int) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request("POST", "/rest-api/data/broadcast", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        sent = int(answer.headers.get("X-Sent-Count", 0))
        if answer.status != 200 or sent < receivers or "X-Dropped-Count" in answer.headers:
            raise RuntimeError(f"answered {answer.status}, {dict(answer.headers)}")
    finally:
        connection.close()


def _spread(delays: Sequence[float], width: int) -> list[str]:
    """Median, 99th percentile and worst of the delays."""
    ordered = sorted(delays)
    p99 = ordered[int(len(ordered) * 0.99)]
    return [f"{statistics.median(ordered):{width}.2f}", f"{p99:6.2f}", f"{ordered[-1]:6.2f}"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.session.broadcast", description="Broadcasts beside media."
    )
    parser.add_argument("--sessions", type=int, default=10_000, help="(%(default)s)")
    parser.add_argument("--bytes", type=int, nargs="+", default=[100, 1000, 16_000], help="of a payload (%(default)s)")
    parser.add_argument("--broadcasts", type=int, default=10, help="of each size (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
