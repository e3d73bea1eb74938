"""A hook dispatcher over a backend in memory, for tests on a clock of their own."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import trio
import trio.testing
from attrs import define, evolve, field

from actors.events.event_log import EventLog
from actors.hooks.dispatcher import HookDispatcher
from actors.hooks.kept.spool import Spool
from actors.hooks.lanes.lane import HookLane
from actors.runtime.actor import StopReason
from config.apps import ALL_METHODS, App
from config.settings import Settings
from protocol.hooks import HookMethod, MethodConfig, RestClientConfig
from tests.support.hooks.hook_transport import MemoryTransport
from tests.support.nurseries import plain_nursery

TEST_OVER = StopReason(cause="test-over")
BACKEND = "http://backend.test/api"
APP = App(name="test", key="testApp", url=BACKEND, methods=frozenset(ALL_METHODS))

Answer = Callable[[httpx.Request], Awaitable[httpx.Response]]


async def echo(request: httpx.Request) -> httpx.Response:
    """200 with the body that came."""
    await trio.lowlevel.checkpoint()
    return httpx.Response(200, content=request.content)


async def hang(request: httpx.Request) -> httpx.Response:
    """Nothing, ever."""
    await trio.sleep_forever()
    raise AssertionError("unreachable")


def status(code: int, body: Any = None) -> Answer:
    """That status at once."""

    async def answer(request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        return httpx.Response(code, content=b"" if body is None else json.dumps(body).encode())

    return answer


def failing(error: httpx.HTTPError) -> Answer:
    """That failure at once."""

    async def answer(request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        raise error

    return answer


def after(seconds: float, then: Answer = echo) -> Answer:
    """Something, later."""

    async def answer(request: httpx.Request) -> httpx.Response:
        await trio.sleep(seconds)
        return await then(request)

    return answer


def dripping(pause: float) -> Answer:
    """A status at once, and then a body byte by byte."""

    async def drip() -> AsyncIterator[bytes]:
        for byte in b'{"a":1}':
            await trio.sleep(pause)
            yield bytes([byte])

    async def answer(request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        return httpx.Response(200, content=drip())

    return answer


@define
class Call:
    """One request: when it began and ended, and what it said."""

    method: str
    body: dict[str, Any]
    request: httpx.Request
    began: float
    ended: float | None = None
    status: int | None = None
    """Of the answer, if there was one."""


@define
class MemoryBackend:
    """Answers by method (`*` for all others, 200 and an echo by default), several answers in turn."""

    answers: dict[str, list[Answer]] = field(factory=dict)
    calls: list[Call] = field(factory=list)

    def script(self, method: str, *answers: Answer) -> None:
        """Use `answers` one after the other, the last one from then on."""
        self.answers[method] = list(answers)

    def told(self, *keys: str) -> list[Any]:
        """One field of every body so far, or tuples of several."""
        return [call.body[keys[0]] if len(keys) == 1 else tuple(call.body[key] for key in keys) for call in self.calls]

    @property
    def under_way(self) -> list[Call]:
        """Calls not yet answered."""
        return [call for call in self.calls if call.ended is None]

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        method = request.url.path.rpartition("/")[2]
        call = Call(method, json.loads(request.content), request, trio.current_time())
        self.calls.append(call)
        script = self.answers.get(method) or self.answers.get("*") or [echo]
        try:
            answer = await (script.pop(0) if len(script) > 1 else script[0])(request)
            call.status = answer.status_code
            return answer
        finally:
            call.ended = trio.current_time()


@define
class HookRig:
    """A dispatcher that runs, its backend, and lanes on demand."""

    dispatcher: HookDispatcher
    backend: MemoryBackend
    apps: dict[str, App]
    warnings: list[tuple[HookMethod, str]] = field(factory=list)

    def lane(self, session_id: str = "session", app: App = APP, **policies: MethodConfig) -> HookLane:
        """A lane, with policies by method name as if `connect` had been answered."""
        lane = self.dispatcher.open_lane(
            app=app, session_id=session_id, on_warning=lambda method, info: self.warnings.append((method, info))
        )
        lane.config = RestClientConfig({HookMethod(name): policy for name, policy in policies.items()})
        return lane


@asynccontextmanager
async def hook_rig(
    app: App = APP,
    *,
    backend: MemoryBackend | None = None,
    spool: Spool | None = None,
    events: EventLog | None = None,
    **settings: Any,
) -> AsyncIterator[HookRig]:
    """A running dispatcher; at the end it must stop with no task left."""
    backend = backend or MemoryBackend()
    apps = {app.key: app}
    dispatcher = HookDispatcher(
        evolve(Settings(), **settings),
        find_app=apps.get,
        all_apps=lambda: tuple(apps.values()),
        transport=MemoryTransport(backend),
        spool=spool,
        events=events,
    )
    async with plain_nursery() as nursery:
        nursery.start_soon(dispatcher.run)
        await trio.testing.wait_all_tasks_blocked()
        try:
            yield HookRig(dispatcher, backend, apps)
        finally:
            dispatcher.stop(TEST_OVER)
    assert backend.under_way == []
