"""A process with many viewers.

warm                          one viewer comes, sees a picture, and goes
connect  numbers              open the pages of these viewers
join     at interval timeout  viewer k asks for the stream at `at` + k * `interval` (CLOCK_MONOTONIC, seconds)
rest     seconds              read nothing for so long
finish   path                 what the viewers saw; each packet of each goes to `path` as (viewer, index, time)
"""

import sys
import time
from array import array
from collections.abc import Mapping
from typing import Any

import trio
from attrs import define, field

from protocol.webrtc.dtls import DtlsContext
from tests.bench.media.peers.clocks import RealtimeClock
from tests.bench.media.peers.control import Task, reply, requests, write
from tests.bench.media.peers.pump import Pump
from tests.bench.media.peers.signalling import CLIENTS, Client, Refused
from tests.bench.media.peers.viewer import Viewer

WARM_TIMEOUT = 15.0
CONNECT_TIMEOUT = 10.0


@define(eq=False)
class Seat:
    """One viewer with its page."""

    number: int
    client: Client
    viewer: Viewer
    asked_at: int = 0
    problems: list[str] = field(factory=list)

    def report(self, clock: RealtimeClock) -> dict[str, Any]:
        """What it saw; times in CLOCK_MONOTONIC ns, 0 for what has not happened."""
        viewer = self.viewer
        return {
            "number": self.number,
            "asked_at": self.asked_at,
            "first_at": viewer.first_at,
            "picture_at": viewer.picture_at,
            "ended_at": clock.monotonic_ns(self.client.ended) if self.client.ended else 0,
            "bad": viewer.bad,
            "profile": viewer.profile.value if viewer.profile else "",
            "problems": self.problems + viewer.problems,
        }


class Viewers:
    """The viewers of one process."""

    def __init__(self, task: Task) -> None:
        self.pump = Pump()
        self._task = task
        self._clock = RealtimeClock()
        self._context = DtlsContext.create()
        self._seats: list[Seat] = []

    async def serve(self, request: Mapping[str, Any]) -> None:
        """Do one request and answer it."""
        match request["do"]:
            case "warm":
                await self._warm()
                reply()
            case "connect":
                self._seats = [await self._take_seat(number) for number in request["numbers"]]
                reply()
            case "join":
                await self._join_all(request["at"], request["interval"], request["timeout"])
                self.pump.moderate = True
                reply(without_picture=sum(not seat.viewer.picture_at for seat in self._seats))
            case "rest":
                self.pump.rest(request["seconds"])
                reply()
            case "finish":
                self._clock.check()
                self._write(request["path"])
                reply(viewers=[seat.report(self._clock) for seat in self._seats])

    async def _take_seat(self, number: int) -> Seat:
        client: Client = CLIENTS[self._task.server](self._task.url, self._task.stream_for(number))
        viewer = Viewer(self._task.host, self._context, self._clock)
        self.pump.watch(client.socket.tcp.fileno(), client.socket)
        self.pump.watch(viewer.udp.fileno(), viewer)
        with trio.fail_after(CONNECT_TIMEOUT):
            await client.open()
            await client.attend()
        return Seat(number, client, viewer)

    async def _warm(self) -> None:
        with trio.fail_after(WARM_TIMEOUT):
            seat = await self._take_seat(-1)
            await seat.client.play(seat.viewer)
            await seat.viewer.picture.wait()
        self.pump.forget(seat.viewer.udp.fileno())
        self.pump.forget(seat.client.socket.tcp.fileno())
        seat.viewer.close()
        seat.client.socket.close()

    async def _join_all(self, at: float, interval: float, timeout: float) -> None:
        async with trio.open_nursery() as nursery:
            for seat in self._seats:
                nursery.start_soon(self._join, seat, at + seat.number * interval, timeout)

    async def _join(self, seat: Seat, at: float, timeout: float) -> None:
        await trio.sleep(max(0.0, at - time.monotonic()))
        seat.asked_at = time.monotonic_ns()
        try:
            with trio.fail_after(timeout):
                await seat.client.play(seat.viewer)
                await seat.viewer.picture.wait()
        except trio.TooSlowError:
            seat.problems.append("no picture in time")
        except Refused as refused:
            seat.problems.append(str(refused))

    def _write(self, path: str) -> None:
        rows = array("q")
        for seat in self._seats:
            for index, arrived in seat.viewer.arrivals():
                rows.extend((seat.number, index, arrived))
        write(rows, path)


async def run(task: Task) -> None:
    """Serve the bench's requests until it closes our standard input."""
    viewers = Viewers(task)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(viewers.pump.run)
        async for request in requests():
            await viewers.serve(request)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(run, Task.from_json(sys.argv[1]))
