"""Many sessions before a backend that hangs, dies, loses its name, floods errors and returns, and one that is well."""

import itertools
import json
from collections import defaultdict
from collections.abc import Iterator
from enum import Enum, auto
from itertools import count, pairwise
from typing import Any

import httpx
import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from actors.web.api.streams.streams import BY_REST
from protocol.node.filters import StreamFilter
from protocol.stream.statuses import StreamStatus
from tests.support.session.memory_socket import MemorySocket
from tests.support.session.signaling_rig import Backend, SignalingRig, app, signaling_rig, stream_request

SICK_SESSIONS, WELL_SESSIONS = 200, 20
TIMEOUT = 4.0
PHASE = 8.0
LANE_SIZE, LANES_TOTAL = 10, 1000
ANSWER_TIME = 0.02


class Mood(Enum):
    """What the sick backend does with a call."""

    WELL = auto()
    HANGS = auto()
    DEAD = auto()
    NAME_LOST = auto()
    """Its name server hangs: it never hears of the call."""
    FLOODS = auto()


DEAF = {Mood.DEAD, Mood.NAME_LOST}
COURSE = (Mood.DEAD, Mood.FLOODS, Mood.HANGS, Mood.HANGS, Mood.NAME_LOST, Mood.WELL, Mood.HANGS)


@define
class Hook:
    """One call, all its attempts together."""

    session: str
    stream: str
    status: str
    method: str
    began: float
    ended: float = 0.0
    moods: set[Mood] = field(factory=set)

    @property
    def step(self) -> tuple[int, int]:
        """Which stream of its session this is about, and how far in that stream's life it lies."""
        order = ("publishStream", "PUBLISHING", "sendStreamEvent", "unPublishStream")
        place = self.status if self.method == "StreamStatusEvent" else self.method
        return int(self.stream.partition("/")[2]), order.index(place) if place in order else len(order)

    @property
    def is_last(self) -> bool:
        return self.method == "StreamStatusEvent" and StreamStatus(self.status).is_terminal


@define
class MoodyBackend(Backend):
    """Well to one application, and moody to the other. Notes every call of the latter that is about a stream."""

    mood: Mood = Mood.WELL
    hooks: dict[str, Hook] = field(factory=dict)
    by_session: dict[str, list[Hook]] = field(factory=lambda: defaultdict(list))

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        if body["appKey"] == "well":
            return await self._answer(200)
        if "mediaSessionId" not in body:
            return await self._behave()
        hook = self._note(request, body)
        try:
            return await self._behave()
        finally:
            hook.ended = trio.current_time()

    def _note(self, request: httpx.Request, body: dict[str, Any]) -> Hook:
        hook_id = request.headers["X-WCS-Hook-Id"]
        if hook_id not in self.hooks:
            method = request.url.path.rpartition("/")[2]
            hook = Hook(body["sessionId"], body["mediaSessionId"], body.get("status", ""), method, trio.current_time())
            self.hooks[hook_id] = hook
            self.by_session[hook.session].append(hook)
        self.hooks[hook_id].moods.add(self.mood)
        return self.hooks[hook_id]

    async def _behave(self) -> httpx.Response:
        match self.mood:
            case Mood.WELL:
                return await self._answer(200)
            case Mood.FLOODS:
                return await self._answer(500)
            case Mood.DEAD:
                raise httpx.ConnectError("refused")
            case _:
                await trio.sleep_forever()
                raise AssertionError("unreachable")

    async def _answer(self, status: int) -> httpx.Response:
        await trio.sleep(ANSWER_TIME)
        return httpx.Response(status, content=b"{}")


@define
class Chaos:
    """Clients of both applications at work."""

    rig: SignalingRig
    streams: dict[int, list[str]] = field(factory=lambda: defaultdict(list))
    """Every stream of the sick application by client; at the end of a test all of them have ended."""
    latencies: list[tuple[float, float]] = field(factory=list)
    """Of the well application's calls: when, and how long."""
    most_waiting: int = 0
    most_tasks: int = 0

    async def broadcast(self, client: MemorySocket, number: int, until: float) -> None:
        """Publish one stream after the other, each ending in another way; the last one is left on."""
        ends = itertools.cycle(("stop", "terminate"))
        for turn in count():
            stream = f"{number}/{turn}"
            self.streams[number].append(stream)
            client.send("publishStream", stream_request(stream, stream, published=True))
            await client.receive("notifyStreamStatusEvent", mediaSessionId=stream, status="PUBLISHING")
            await trio.sleep(3.0 + number % 7 / 2)
            if trio.current_time() >= until:
                return
            if next(ends) == "stop":
                client.send("unPublishStream", {"mediaSessionId": stream})
                await client.receive("notifyStreamStatusEvent", mediaSessionId=stream, status="UNPUBLISHED")
            else:
                self.rig.supervisor.terminate(StreamFilter(media_session_ids=frozenset({stream})), BY_REST)

    def chatter(self, client: MemorySocket, number: int) -> None:
        """Send more stream events than a lane can hold."""
        for _ in range(LANE_SIZE + 1):
            client.send("sendStreamEvent", {"mediaSessionId": self.streams[number][-1], "type": "data", "payload": 1})

    async def send_data(self, client: MemorySocket, number: int) -> None:
        """Send data now and then, and note how long the answer takes."""
        await trio.sleep(number / WELL_SESSIONS)
        for operation in count():
            began = trio.current_time()
            client.send("sendData", {"operationId": f"{operation}", "payload": {}})
            await client.receive("DataStatusEvent", operationId=f"{operation}", status="ACCEPTED")
            self.latencies.append((began, trio.current_time() - began))
            await trio.sleep(0.5)

    async def watch(self) -> None:
        """Note how much piles up."""
        while True:
            self.most_waiting = max(self.most_waiting, self.rig.dispatcher.statistics().waiting)
            self.most_tasks = max(self.most_tasks, len(self.rig.dispatcher.nursery.child_tasks))
            await trio.sleep(0.1)

    def p99(self, begin: float, end: float) -> float:
        """Of the latencies between these times."""
        latencies = sorted(latency for at, latency in self.latencies if begin <= at < end)
        return latencies[len(latencies) * 99 // 100]


async def run_its_course(chaos: Chaos, backend: MoodyBackend) -> tuple[float, float]:
    """All is quiet, then nothing is, then the sick application's clients vanish before a backend that hangs."""
    rig = chaos.rig
    quiet = trio.current_time()
    noisy, over = quiet + PHASE, quiet + PHASE * (1 + len(COURSE))
    sick = [(await rig.connect(appKey="sick"))[0] for _ in range(SICK_SESSIONS)]
    well = [(await rig.connect(appKey="well"))[0] for _ in range(WELL_SESSIONS)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(chaos.watch)
        for number, client in enumerate(well):
            nursery.start_soon(chaos.send_data, client, number)
        for number, client in enumerate(sick):
            nursery.start_soon(chaos.broadcast, client, number, over)
        for number, mood in enumerate(COURSE):
            await trio.sleep_until(noisy + number * PHASE)
            backend.mood = mood
        for number, client in enumerate(sick):
            chaos.chatter(client, number)
        await trio.sleep_until(over + PHASE)
        for client in sick:
            client.disconnect()
        await trio.sleep(TIMEOUT)
        backend.mood = Mood.WELL
        nursery.cancel_scope.cancel()
    return noisy, over


def last_hooks(backend: MoodyBackend) -> Iterator[Hook]:
    """The calls that told of a stream's end."""
    return (hook for hook in backend.hooks.values() if hook.is_last)


@pytest.mark.slow
async def test_a_sick_backend_costs_only_its_own(autojump_clock: MockClock) -> None:
    backend = MoodyBackend()
    settings: dict[str, Any] = {
        "rest_request_timeout": TIMEOUT,
        "rest_lane_size": LANE_SIZE,
        "rest_lanes_total": LANES_TOTAL,
        "keep_alive_server_interval": 1000.0,  # these clients answer no pings
    }
    async with signaling_rig(backend=backend, apps=[app("sick"), app("well")], **settings) as rig:
        chaos = Chaos(rig)
        noisy, over = await run_its_course(chaos, backend)
        await rig.dispatcher.drain(600)
        statistics = rig.dispatcher.statistics()

    # The other application's calls take as long as ever.
    assert chaos.p99(noisy, over) <= 2 * chaos.p99(0, noisy)
    # What piles up is bounded, and plain notifications are what it costs.
    assert chaos.most_waiting <= LANES_TOTAL
    assert chaos.most_tasks <= SICK_SESSIONS + WELL_SESSIONS
    assert (statistics.dropped > 0, statistics.dropped_last) == (True, 0)
    # In each session one call follows the other, in the order in which things happened.
    for hooks in backend.by_session.values():
        assert [hook.step for hook in hooks] == sorted(hook.step for hook in hooks)
        assert all(earlier.ended <= later.began for earlier, later in pairwise(hooks))
    # Each stream's end is told once, and lost only where nobody could hear of it.
    lasts = list(last_hooks(backend))
    assert sorted(hook.stream for hook in lasts) == sorted(itertools.chain.from_iterable(chaos.streams.values()))
    heard = [hook for hook in lasts if not hook.moods <= DEAF]
    assert len(heard) > len(lasts) / 3
    assert {hook.status for hook in lasts} == {"UNPUBLISHED", "FAILED"}
