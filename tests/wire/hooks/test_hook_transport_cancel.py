"""Calls cancelled at every phase: no socket is left behind, no slot is lost, and the next call is served."""

import gc
import random
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import trio

from actors.hooks.connections.transport import HookTransport, NoAnswer
from actors.net.resolver import Resolver
from tests.support.hooks import behaviours
from tests.support.hooks.backend import open_backend, unaccepting_url
from tests.support.hooks.hook_transport import CALLER, exchange

CALLS = 200
LONGEST = 0.02
"""Seconds within which each call is cancelled."""
SMALL = b'{"name":"stream"}'
LARGE = bytes(16_000_000)
"""More than the sockets' buffers take, so that sending it hangs."""


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@contextmanager
def hanging_resolver() -> Iterator[Resolver]:
    release = threading.Event()

    def lookup(name: str) -> tuple[str, ...]:
        release.wait(60)
        return ("127.0.0.1",)

    try:
        yield Resolver(lookup)
    finally:
        release.set()


def transport_with(resolver: Resolver | None = None) -> HookTransport:
    return HookTransport(
        max_connections=8, max_total=100, max_response_size=1000, tls=ssl.create_default_context(), resolver=resolver
    )


async def cancelled_calls(transport: HookTransport, url: str, content: bytes = SMALL, calls: int = CALLS) -> int:
    """Make calls that are cancelled at random moments; gives how many of them ended before that."""
    draw = random.Random(7)
    finished = 0

    async def call(patience: float, keep_alive: bool) -> None:
        nonlocal finished
        with trio.move_on_after(patience), suppress(NoAnswer):
            await exchange(transport, f"{url}/hook", content, keep_alive=keep_alive)
            finished += 1

    for _ in range(calls // 20):
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(call, draw.uniform(0, LONGEST), draw.random() < 0.3)
    return finished


async def serves(transport: HookTransport) -> None:
    """A well-behaved backend is served by as many connections as ever."""
    gate = trio.Event()
    async with open_backend() as backend:
        backend.script("*", behaviours.held(gate))
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                for _ in range(8):
                    nursery.start_soon(exchange, transport, f"{backend.url}/hook")
                await backend.wait_for(count=8)
                gate.set()
        transport.close()
        await backend.wait_closed()


def assert_nothing_is_held(transport: HookTransport) -> None:
    statistics = transport.statistics()
    assert (statistics.leased, statistics.pending, statistics.available) == (0, 0, 0)


async def settle() -> None:
    """Have trio open what it opens once, and what earlier tests have left closed: not in between."""
    await serves(transport_with())
    gc.collect()


@pytest.mark.parametrize(
    ("scheme", "full", "content"),
    [("http", True, SMALL), ("https", False, SMALL), ("http", False, LARGE), ("http", False, SMALL)],
    ids=["connect", "TLS", "send", "wait"],
)
async def test_before_an_answer(scheme: str, full: bool, content: bytes) -> None:
    await settle()
    before = open_files()
    transport = transport_with()
    with unaccepting_url(scheme, full=full) as url:
        calls = 40 if content is LARGE else CALLS
        assert await cancelled_calls(transport, url, content, calls) == 0
        assert_nothing_is_held(transport)
    assert open_files() == before
    await serves(transport)
    assert open_files() == before


async def test_during_the_look_up_of_a_name() -> None:
    await settle()
    before = open_files()
    with hanging_resolver() as resolver:
        transport = transport_with(resolver)
        assert await cancelled_calls(transport, "http://backend.test:1") == 0
        assert_nothing_is_held(transport)
        assert open_files() == before
        await serves(transport)


@pytest.mark.parametrize(
    "behaviour",
    [behaviours.hang, behaviours.half_open, behaviours.dripping(0.01), behaviours.slow(LONGEST / 2)],
    ids=["wait", "end", "body", "anywhere"],
)
async def test_during_an_answer(behaviour: behaviours.Behaviour) -> None:
    await settle()
    before = open_files()
    transport = transport_with()
    async with open_backend() as backend:
        backend.script("*", behaviour)
        await cancelled_calls(transport, backend.url)
        transport.close_expired()
        assert transport.statistics().leased == 0
        transport.close()
        with trio.fail_after(10):
            await backend.wait_closed()
    await serves(transport)
    assert open_files() == before


async def test_a_connection_whose_call_was_cancelled_serves_no_other() -> None:
    """The answer to the cancelled call must not be taken for that to the next one."""
    gate = trio.Event()
    async with open_backend() as backend:
        backend.script("*", behaviours.held(gate, behaviours.answer(200, {"whose": "the first one's"})))
        transport = transport_with()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(exchange, transport, f"{backend.url}/first")
            await backend.wait_for("first")
            nursery.cancel_scope.cancel()
        gate.set()
        backend.script("second", behaviours.answer(200, {"whose": "the second one's"}))
        with ExitStack() as stack:
            stack.callback(transport.close)
            response = await exchange(transport, f"{backend.url}/second")
            assert response.json() == {"whose": "the second one's"}
    assert [call.connection for call in backend.calls] == [1, 2]


@pytest.mark.parametrize("keep_alive", [False, True])
async def test_an_owner_that_leaves_says_nothing_about_the_host(keep_alive: bool) -> None:
    """A host that fails is called more slowly: nobody may do that to others by leaving."""
    async with open_backend() as backend:
        backend.script("*", behaviours.hang)
        transport = transport_with()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(exchange, transport, f"{backend.url}/hook", keep_alive=keep_alive))
            await backend.wait_for(count=1)
            nursery.cancel_scope.cancel()
        assert not is_failing(transport)
        transport.close()


async def test_a_deadline_that_is_over_does() -> None:
    async with open_backend() as backend:
        backend.script("*", behaviours.hang)
        transport = transport_with()
        deadline = trio.current_time() + 0.05
        with trio.move_on_at(deadline):
            await exchange(transport, f"{backend.url}/hook", deadline=deadline)
        assert is_failing(transport)
        # And an owner that leaves does not take the mark away.
        with trio.move_on_after(0.05):
            await exchange(transport, f"{backend.url}/hook")
        assert is_failing(transport)
        backend.script("*", behaviours.allow)
        await exchange(transport, f"{backend.url}/hook")
        assert not is_failing(transport)
        transport.close()


def is_failing(transport: HookTransport) -> bool:
    (host,) = transport._hosts.values()
    return host.pacer(CALLER.app).is_failing
