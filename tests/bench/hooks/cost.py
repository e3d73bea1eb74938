"""What a hook costs. Run by hand: `python -m tests.bench.hooks.cost` (`--help` tells of its options).

Prints hooks per second and CPU per hook of this process, before a trivial backend in another process, for

    stock client     one shared httpx.AsyncClient, what an HTTP client is by default
    transport        `HookTransport` called directly
    hooks            lanes of a dispatcher, log lines and all

and the share of a core that keep-alives of many streams take. `--cancelled` cancels calls at random phases and tells
whether files or slots were lost. Figures depend on the machine: compare those of one run with each other.
"""

import argparse
import asyncio
import io
import random
import ssl
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import trio
import trio.testing
from attrs import define, evolve, field

from actors.hooks.connections.transport import HookTransport
from actors.hooks.dispatcher import HookDispatcher
from actors.hooks.lanes.keep_alive_slot import KeepAliveSlot
from actors.hooks.lanes.lane import HookLane
from actors.runtime import logs
from actors.runtime.actor import StopReason
from actors.stream.keep_alive_schedule import StreamKeepAlive
from config.apps import ALL_METHODS, App
from config.settings import LogFormat, LogLevel, Settings
from protocol.hooks import HookMethod
from tests.support.hooks import behaviours
from tests.support.hooks.backend import open_backend, unaccepting_url
from tests.support.hooks.hook_transport import exchange

AT_ONCE = 32
DONE = StopReason(cause="done")
BODY: dict[str, Any] = {
    "nodeId": "Hw47CFMBEchVOpBMDr29IxjudnJ1sjOY@192.168.1.101", "appKey": "defaultApp",
    "sessionId": "/192.168.1.102:4388/192.168.1.101:8443", "mediaSessionId": "56141d10-fddc-11e6-ac3a-4d67d5b3360d",
    "name": "b4e7", "published": True, "hasVideo": True, "hasAudio": True, "status": "PUBLISHING", "record": False,
    "width": 0, "height": 0, "bitrate": 0, "quality": 0, "mediaProvider": "WebRTC",
}  # fmt: skip
CONTENT = b'{"nodeId":"Hw47CFMBEchVOpBMDr29IxjudnJ1sjOY@192.168.1.101","name":"b4e7"}'


# -- the backend -------------------------------------------------------------------------------------------------------


class Sink(asyncio.Protocol):
    """Answers 200 with an empty object, and does as little as it can."""

    ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            start = head.index(b"content-length:") + 15
            size = int(head[start:].split(b"\r\n", 1)[0])
            if len(self.buffer) < end + 4 + size:
                return
            self.buffer = self.buffer[end + 4 + size :]
            if isinstance(self.transport, asyncio.WriteTransport):
                self.transport.write(self.ANSWER)


async def serve_sink() -> None:
    """Serve until the end of the process; the port goes to standard output."""
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def sink() -> Iterator[str]:
    """The URL of a backend in another process."""
    command = [sys.executable, "-m", "tests.bench.hooks.cost", "--sink"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/my_api"
        finally:
            process.terminate()


# -- measuring ---------------------------------------------------------------------------------------------------------


@define
class Figures:
    """What one run took."""

    calls: int
    seconds: float
    cpu: float

    def show(self, what: str, baseline: "Figures | None" = None) -> None:
        ratio = f"   {self.rate / baseline.rate:.1f} x" if baseline else ""
        print(f"{what:14} {self.rate:8.0f} hooks/s {1e6 * self.cpu / self.calls:7.0f} us CPU per hook{ratio}")

    @property
    def rate(self) -> float:
        return self.calls / self.seconds


async def measure(calls: int, worker: Callable[[int], Awaitable[None]]) -> Figures:
    """Run `worker(n)`, which makes n calls one after the other, in 32 tasks."""
    share = calls // AT_ONCE
    began, cpu = time.perf_counter(), time.process_time()
    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE):
            nursery.start_soon(worker, share)
    return Figures(share * AT_ONCE, time.perf_counter() - began, time.process_time() - cpu)


async def stock_client(url: str, calls: int) -> Figures:
    """One client for all."""
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
    async with httpx.AsyncClient(limits=limits, timeout=15) as client:

        async def work(share: int) -> None:
            for _ in range(share):
                (await client.post(f"{url}/hook", content=CONTENT)).raise_for_status()

        await measure(AT_ONCE * 2, work)
        return await measure(calls, work)


async def own_transport(url: str, calls: int) -> Figures:
    """The transport alone."""
    transport = new_transport()

    async def work(share: int) -> None:
        for _ in range(share):
            (await exchange(transport, f"{url}/hook", CONTENT)).raise_for_status()

    await measure(AT_ONCE * 2, work)
    figures = await measure(calls, work)
    transport.close()
    return figures


def new_transport() -> HookTransport:
    return HookTransport(
        max_connections=100, max_total=100, max_response_size=1_000_000, tls=ssl.create_default_context()
    )


async def whole_hooks(url: str, calls: int) -> Figures:
    """Everything that a session's hook goes through."""
    app = App(name="bench", key="bench", url=url, methods=frozenset(ALL_METHODS))
    dispatcher = HookDispatcher(Settings())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(dispatcher.run)
        await trio.testing.wait_all_tasks_blocked()

        async def work(share: int) -> None:
            lane = dispatcher.open_lane(app=app, session_id="session", on_warning=lambda method, info: None)
            for _ in range(share):
                await lane.authorize(HookMethod.PUBLISH_STREAM, BODY)

        await measure(AT_ONCE * 2, work)
        figures = await measure(calls, work)
        assert dispatcher.statistics().failed == 0
        dispatcher.stop(DONE)
    return figures


# -- keep-alives -------------------------------------------------------------------------------------------------------


@define(eq=False)
class Stream:
    """A live stream for the walker."""

    media_session_id: str
    keep_alive_slot: KeepAliveSlot
    app_key: str = "bench"
    session_id: str = "s"
    warnings: list[str] = field(factory=list)

    def keep_alive_body(self) -> dict[str, Any]:
        return {**BODY, "mediaSessionId": self.media_session_id}

    def stop(self, reason: StopReason) -> None:
        raise AssertionError(reason)

    def warn(self, method: HookMethod, info: str) -> None:
        self.warnings.append(info)


async def keep_alives(url: str, count: int, seconds: float) -> None:
    """Walk over `count` streams at 10 s."""
    app = App(name="bench", key="bench", url=url, methods=frozenset(ALL_METHODS))
    settings = evolve(
        Settings(), keep_alive_streaming_sessions_enabled=True, streaming_sessions_keep_alive_app_keys=("bench",)
    )
    dispatcher = HookDispatcher(settings)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(dispatcher.run)
        await trio.testing.wait_all_tasks_blocked()
        lanes: list[HookLane] = [
            dispatcher.open_lane(app=app, session_id=f"session{number}", on_warning=lambda method, info: None)
            for number in range(count)
        ]
        streams = [Stream(f"stream{number}", lane.keep_alive_slot()) for number, lane in enumerate(lanes)]
        walker = StreamKeepAlive(settings, lambda: streams)
        nursery.start_soon(walker.run)
        await trio.sleep(2)
        sent, cpu, began = dispatcher.statistics().sent, time.process_time(), time.perf_counter()
        await trio.sleep(seconds)
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        sent = dispatcher.statistics().sent - sent
        assert dispatcher.statistics().failed == 0
        walker.stop(DONE)
        dispatcher.stop(DONE)
    rate = sent / took
    print(f"keep-alives    {rate:8.0f} hooks/s {100 * cpu / took:7.1f} % of a core, {count} streams at 10 s")


# -- cancellation ------------------------------------------------------------------------------------------------------


async def cancelled_calls(count: int) -> None:
    """Cancel calls everywhere: connect, TLS, wait, body."""
    transport = new_transport()
    draw = random.Random(1)
    before = open_files()

    async def call(url: str) -> None:
        with trio.move_on_after(draw.uniform(0, 0.05)), suppress(httpx.TransportError):
            await exchange(transport, url, CONTENT, keep_alive=draw.random() < 0.3)

    async with open_backend() as hanging, open_backend() as dripping, open_backend() as slow:
        hanging.script("*", behaviours.hang)
        dripping.script("*", behaviours.dripping(0.005))
        slow.script("*", behaviours.slow(0.02))
        with ExitStack() as stack:
            urls = [stack.enter_context(unaccepting_url(scheme, full=full)) for scheme, full in PHASES]
            urls += [hanging.url, dripping.url, slow.url]
            for _ in range(count // 100):
                async with trio.open_nursery() as nursery:
                    for _ in range(100):
                        nursery.start_soon(call, f"{draw.choice(urls)}/hook")
        lost = transport.statistics()
        transport.close()
        for backend in (hanging, dripping, slow):
            await backend.wait_closed()
    print(f"cancelled      {count:8} calls; slots lost: {lost.leased}, waiting: {lost.pending}", end="")
    print(f", files left open: {open_files() - before}")


PHASES = (("http", True), ("https", False), ("http", False))


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


# -- the program -------------------------------------------------------------------------------------------------------


async def main(arguments: argparse.Namespace) -> None:
    """Run what was asked for."""
    if arguments.cancelled:
        await cancelled_calls(100)
        await cancelled_calls(arguments.cancelled)
        return
    logs.configure(LogFormat.TEXT, LogLevel.INFO, io.StringIO())
    with sink() as url:
        stock = await stock_client(url, arguments.calls // 4)
        stock.show("stock client")
        (await own_transport(url, arguments.calls)).show("transport", stock)
        (await whole_hooks(url, arguments.calls)).show("hooks", stock)
        await keep_alives(url, arguments.streams, arguments.seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=12_800)
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--cancelled", type=int, default=0)
    parser.add_argument("--sink", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.sink:
        asyncio.run(serve_sink())
    else:
        trio.run(main, options)
