"""What it costs to find, and to stop, one stream of a cluster. Run by hand: `python -m tests.bench.cluster.finding`.

10 nodes, and then 100, have 100,000 streams together, and share one processor; each has links of its own to a real
redis-server. Streams are rows of the nodes' indexes, without media. The one that is found or stopped is published on
another node than the one that is asked; when it is stopped, its actor has ended before the answer comes. In turn with
that goes a bare round: one PUBLISH to all nodes, by the same library and as many connections, and a PUBLISH of each to
the asker. Printed are times in milliseconds (p50, p99), the processor time of all nodes together, and the time in bare
rounds.
"""

import argparse
import gc
import logging
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import trio
import trio.testing
from attrs import define, field
from coredis.retry import NoRetryPolicy

from actors.cluster.registry.redis_client import open_client
from actors.runtime.actor import StopReason, crash_guard
from protocol.cluster.members import BEAT_INTERVAL
from protocol.cluster.redis_url import RedisUrl, parse_redis_url
from protocol.node.descriptions import StreamDescription, StreamMeasures, StreamTraffic
from protocol.node.filters import StreamFilter
from protocol.rest.paging import Page
from tests.support.cluster.cluster_simulation import TERMINATED, SimulatedNode, SimulatedStream
from tests.support.cluster.real_redis_nodes import TIMEOUT, real_nodes
from tests.support.redis.redis_server import redis_server

TARGET = 2.0
"""Bare rounds that finding or stopping one stream may take (medians)."""
QUIET = 0.02
"""Seconds in which nothing happens, before each measurement."""
TEXT = "x" * 300
"""As long as a request."""

Operation = Callable[[], Awaitable[None]]


@define(eq=False)
class Row:
    """A player that is only there to be looked through."""

    node_id: str
    media_session_id: str
    name: str
    reason: StopReason | None = None
    stopped: trio.Event = field(factory=trio.Event)
    started_at: float = field(factory=trio.current_time)

    app_key = session_id = "bench"
    media_provider, status, room_name = "WebRTC", "PLAYING", None
    published = leads = has_video = has_audio = has_told = False
    peak_mailbox = audience = 0
    weight = 1

    async def run(self) -> None:
        await self.stopped.wait()

    def cut_off(self, reason: StopReason) -> None:
        self.reason = self.reason or reason

    def stop(self, reason: StopReason) -> None:
        self.cut_off(reason)
        self.stopped.set()

    tell_end = begin_stop = stop

    def abort(self) -> None:
        self.stopped.set()

    def release_followers(self, reason: StopReason) -> tuple[()]:
        return ()

    def end_log_fields(self) -> dict[str, object]:
        return {}

    def measure(self) -> StreamMeasures:
        return StreamMeasures(traffic=StreamTraffic(), audio_codec=None, video_codec=None)

    def describe(self, *, traffic: bool = True) -> StreamDescription:
        names = ("node_id", "app_key", "session_id", "media_session_id", "name", "published", "has_video", "has_audio")
        return StreamDescription(**{each: getattr(self, each) for each in names}, status=self.status, create_date=0)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--nodes", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--streams", type=int, default=100_000, help="of all nodes together")
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()
    logging.disable()
    for nodes in arguments.nodes:
        with tempfile.TemporaryDirectory() as folder:
            trio.run(_measure, Path(folder), nodes, arguments.streams, arguments.rounds)


async def _measure(folder: Path, count: int, streams: int, rounds: int) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(redis_server(folder))
        url = parse_redis_url(server.url)
        bare = await stack.enter_async_context(_bare_nodes(url, count))
        nodes = await stack.enter_async_context(real_nodes(url, count))
        await _fill(nodes, streams)
        operations = {"bare round": bare, **Requests(nodes).operations()}
        gc.collect()
        gc.freeze()  # as the server does with what lives long
        results: dict[str, list[tuple[float, float]]] = {name: [] for name in operations}
        for _ in range(rounds):
            for name, operation in operations.items():
                results[name].append(await _timed(operation))
        _show(count, streams, results)
        for node in nodes:
            for stream in node.supervisor.all_streams():
                stream.stop(TERMINATED)


async def _fill(nodes: Sequence[SimulatedNode], streams: int) -> None:
    """A tenth as many names as players, all over the nodes."""
    for number in range(streams):
        node = nodes[number % len(nodes)]
        node.supervisor.adopt_stream(Row(node.name, f"row-{number}", f"played {number // 10}"))
        if number % 100 == 0:
            await trio.lowlevel.checkpoint()  # beats go on


class Requests:
    """What is asked of the first node, about a stream of one of the others."""

    def __init__(self, nodes: Sequence[SimulatedNode]) -> None:
        self._nodes, self._numbers = nodes, count()
        self._stream: SimulatedStream | None = None

    def operations(self) -> Mapping[str, "Operation | Prepared"]:
        return {
            "find by id": self._prepared(self._find_id),
            "find by name": self._prepared(self._find_name),
            "terminate by id": self._prepared(self._terminate_id),
            "terminate by name": self._prepared(self._terminate_name),
        }

    def _prepared(self, operation: Operation) -> "Prepared":
        return Prepared(self._publish, operation)

    async def _publish(self) -> None:
        if self._stream is not None and self._stream.reason is None:
            return
        number = next(self._numbers)
        node = self._nodes[1 + number % (len(self._nodes) - 1)]
        self._stream = stream = SimulatedStream(node, f"news {number}")
        node.supervisor.adopt_stream(stream)
        with trio.fail_after(TIMEOUT):
            while not stream.is_live:  # noqa: ASYNC110 - it tells no one
                await trio.sleep(0.01)

    @property
    def _wanted(self) -> SimulatedStream:
        assert self._stream is not None
        return self._stream

    async def _find_id(self) -> None:
        await self._find(StreamFilter(media_session_ids=frozenset((self._wanted.media_session_id,))))

    async def _find_name(self) -> None:
        await self._find(StreamFilter(name=self._wanted.name))

    async def _find(self, query: StreamFilter) -> None:
        found = await self._nodes[0].cluster.control.find(query, Page(limit=50), traffic=True)
        assert [item.name for item in found.items] == [self._wanted.name]
        assert found.coverage is not None
        assert found.coverage.is_complete

    async def _terminate_id(self) -> None:
        await self._terminate(StreamFilter(media_session_ids=frozenset((self._wanted.media_session_id,))))

    async def _terminate_name(self) -> None:
        await self._terminate(StreamFilter(name=self._wanted.name))

    async def _terminate(self, query: StreamFilter) -> None:
        control, deadline = self._nodes[0].cluster.control, trio.current_time() + TIMEOUT
        answer = await control.terminate(query, TERMINATED, dry_run=False, deadline=deadline)
        assert (answer.count, answer.all_stopped) == (1, True)
        assert self._wanted.stopped.is_set()


@define
class Prepared:
    """An operation, with what is done before and not measured."""

    prepare: Operation
    operation: Operation


async def _timed(operation: Operation | Prepared) -> tuple[float, float]:
    """Seconds that passed until it was answered, and of processor time until everything was quiet."""
    if isinstance(operation, Prepared):
        await operation.prepare()
        operation = operation.operation
    await trio.testing.wait_all_tasks_blocked(QUIET)
    cpu, began = time.process_time(), time.perf_counter()
    await operation()
    seconds = time.perf_counter() - began
    await trio.testing.wait_all_tasks_blocked(QUIET)
    return seconds, time.process_time() - cpu


def _show(nodes: int, streams: int, results: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    print(f"{nodes} nodes, {streams:,} streams", flush=True)
    bare = statistics.median(seconds for seconds, _ in results["bare round"])
    for name, some in results.items():
        times = sorted(seconds * 1000 for seconds, _ in some)
        p50, p99 = statistics.median(times), times[len(times) * 99 // 100]
        cpu = statistics.median(cpu for _, cpu in some) * 1000
        ratio = p50 / bare / 1000
        met = "" if name == "bare round" else "  met" if ratio <= TARGET else f"  MISSED (at most {TARGET})"
        print(f"  {name:<18} {p50:7.1f} p50 {p99:7.1f} p99 {cpu:7.1f} CPU {ratio:6.2f} bare rounds{met}")


# -- the bare round --------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _bare_nodes(url: RedisUrl, count: int) -> AsyncIterator[Operation]:
    """One round, as an operation: what the first says is answered by the others."""
    errors: list[BaseException] = []
    is_over = False
    with crash_guard(errors.append):
        async with _bare_nursery(url, count) as asker:
            yield asker.ask
            is_over = True
    if errors and not is_over:  # at the end there are some: coredis cannot be cancelled while it listens
        raise errors[0]


@asynccontextmanager
async def _bare_nursery(url: RedisUrl, count: int) -> AsyncIterator["_BareAsker"]:
    async with trio.open_nursery() as nursery:
        asker = _BareAsker(count - 1)
        await nursery.start(asker.run, url)
        for _ in range(count - 1):
            await nursery.start(_bare_answerer, url)
        yield asker
        nursery.cancel_scope.cancel()


class _BareAsker:
    def __init__(self, others: int) -> None:
        self._others, self._answers = others, 0
        self._done = trio.Event()
        self._client: Any = None

    async def run(self, url: RedisUrl, *, task_status: trio.TaskStatus[None]) -> None:
        async with open_client(url, TIMEOUT) as self._client, _subscribed(url, "bare:answers") as messages:
            task_status.started()
            async for message in messages:
                if message["type"] == "message":
                    self._answers += 1
                    if self._answers == self._others:
                        self._done.set()

    async def ask(self) -> None:
        self._answers, self._done = 0, trio.Event()
        await self._client.publish("bare:all", TEXT)
        await self._done.wait()


async def _bare_answerer(url: RedisUrl, *, task_status: trio.TaskStatus[None]) -> None:
    async with open_client(url, TIMEOUT) as client, _subscribed(url, "bare:all") as messages:
        async for message in messages:
            if message["type"] == "subscribe":
                task_status.started()
            elif message["type"] == "message":
                await client.publish("bare:answers", TEXT)


@asynccontextmanager
async def _subscribed(url: RedisUrl, channel: str) -> AsyncIterator[Any]:
    async with (
        open_client(url, TIMEOUT) as client,
        client.pubsub(channels=[channel], retry_policy=NoRetryPolicy(), max_idle_seconds=BEAT_INTERVAL) as subscription,
    ):
        yield subscription


if __name__ == "__main__":
    main()
