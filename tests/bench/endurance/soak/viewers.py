"""A process with viewers that come and go all the time.

fill    count interval    so many viewers join, one each `interval` seconds
churn   interval          from now on the oldest viewer leaves and a new one joins each `interval` seconds
sample                    what was seen since the last sample
dump    path              (index, arrival) of the packets that were looked into so far goes to `path`
finish  path              all leave; (index, arrival) of the packets that were looked into goes to `path`
"""

import sys
import time
from array import array
from collections import deque
from collections.abc import Mapping
from typing import Any

import trio

from protocol.webrtc.dtls import DtlsContext
from tests.bench.media.peers.clocks import STAMP_SIZE, RealtimeClock
from tests.bench.media.peers.control import Task, reply, requests, write
from tests.bench.media.peers.pump import Pump
from tests.bench.media.peers.signalling import Refused, WcsClient
from tests.bench.media.peers.viewer import Viewer

JOIN_TIMEOUT = 15.0
SETTLED = 100
"""Packets after which a viewer surely gets each as it comes: it begins with some of the past."""
SAMPLE = 50
"""The delay of one packet of so many is kept."""


class PassingViewer(Viewer):
    """A viewer that forgets what it has counted."""

    def take_account(self, looked_into: "array[int]") -> tuple[int, int]:
        """Packets that came since the last account, and how many did not."""
        rows = list(self.arrivals())
        if not rows:
            return 0, 0
        for row in rows[SETTLED::SAMPLE]:
            looked_into.extend(row)
        # The last packet stays, as the one that the numbers of the next account follow.
        self._first = int.from_bytes(self._numbers[-2:], "big"), rows[-1][0]
        expected = max(index for index, _ in rows) - rows[0][0]
        del self._numbers[:-2]
        del self._stamps[:-STAMP_SIZE]
        return len(rows) - 1, expected - (len(rows) - 1)


class Crowd:
    """The viewers of one process."""

    def __init__(self, task: Task, nursery: trio.Nursery) -> None:
        self.pump = Pump()
        self._task = task
        self._nursery = nursery
        self._clock = RealtimeClock()
        self._context = DtlsContext.create()
        self._here: deque[tuple[WcsClient, PassingViewer]] = deque()
        self._churning = trio.CancelScope()
        self._samples = array("q")
        self._joins: list[float] = []
        self._packets = self._lost = self._bad = self._failed = 0

    async def serve(self, request: Mapping[str, Any]) -> None:
        """Do one request and answer it."""
        match request["do"]:
            case "fill":
                for _ in range(request["count"]):
                    await self._come()
                    await trio.sleep(request["interval"])
                self.pump.moderate = True
                reply()
            case "churn":
                self._churning = trio.CancelScope()
                self._nursery.start_soon(self._churn, request["interval"])
                reply()
            case "sample":
                self._sample()
            case "dump":
                self._clock.check()
                write(self._samples, request["path"])
                reply()
            case "finish":
                self._churning.cancel()
                while self._here:
                    self._go()
                self._clock.check()
                write(self._samples, request["path"])
                reply()

    async def _churn(self, interval: float) -> None:
        next_at = trio.current_time()
        with self._churning:
            while True:
                next_at += interval
                await trio.sleep_until(next_at)
                if self._here:
                    self._go()
                await self._come()

    async def _come(self) -> None:
        viewer = PassingViewer(self._task.host, self._context, self._clock)
        client = WcsClient(self._task.url, self._task.stream)
        self.pump.watch(client.socket.tcp.fileno(), client.socket)
        self.pump.watch(viewer.udp.fileno(), viewer)
        try:
            with trio.fail_after(JOIN_TIMEOUT):
                await client.open()
                asked_at = time.monotonic_ns()
                await client.play(viewer)
                await viewer.picture.wait()
            self._joins.append((viewer.picture_at - asked_at) / 1e6)
            self._here.append((client, viewer))
        except (trio.TooSlowError, Refused):
            self._failed += 1
        finally:
            if not viewer.picture_at:  # cancelled, too
                self._drop(client, viewer)

    def _go(self) -> None:
        client, viewer = self._here.popleft()
        self._count(viewer)
        self._drop(client, viewer)

    def _drop(self, client: WcsClient, viewer: PassingViewer) -> None:
        if not client.socket.closed:
            self.pump.forget(client.socket.tcp.fileno())
            client.socket.close()
        self.pump.forget(viewer.udp.fileno())
        viewer.close()

    def _count(self, viewer: PassingViewer) -> None:
        packets, lost = viewer.take_account(self._samples)
        self._packets += packets
        self._lost += lost
        self._bad += viewer.bad
        viewer.bad = 0

    def _sample(self) -> None:
        for _, viewer in self._here:
            self._count(viewer)
        ended = sum(bool(client.ended) for client, _ in self._here)
        reply(
            here=len(self._here),
            packets=self._packets,
            lost=self._lost,
            bad=self._bad,
            failed=self._failed,
            ended=ended,
            joins=self._joins,
        )
        self._packets = self._lost = self._bad = self._failed = 0
        self._joins = []


async def run(task: Task) -> None:
    """Serve the bench's requests until it closes our standard input."""
    async with trio.open_nursery() as nursery:
        crowd = Crowd(task, nursery)
        nursery.start_soon(crowd.pump.run)
        async for request in requests():
            await crowd.serve(request)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(run, Task.from_json(sys.argv[1]))
