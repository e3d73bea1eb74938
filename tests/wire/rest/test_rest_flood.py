"""REST while somebody holds connections open: a terminate always gets in."""

import logging
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing

from config.settings import Settings
from tests.support.limited_log import left_out
from tests.support.web.stream_world import StreamWorld, stream
from tests.support.web.web_rig import app_of, settings_with
from tests.support.web.web_server import RawClient, WebServer, make_certificate

TERMINATE = "/rest-api/stream/terminate"
LIMIT = 60.0
FEW = settings_with(http_max_connections=20)
SHARED = settings_with(http_max_connections=20, http_max_connections_per_address=5)

KINDS = {
    "idle after an answer": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "silent": b"",
    "half a head": b"GET /healthz HTTP/1.1\r\nHo",
    "half a body": f"POST {TERMINATE} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{{".encode(),
    "an upgrade without a key": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "an answer that is not read": b"GET /rest-api/stream/find_all HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "refusals held back": b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200,
}


@pytest.fixture
def world() -> StreamWorld:
    return StreamWorld([stream("m", "room"), *(stream(f"n{n}", "other", sdp="x" * 100_000) for n in range(100))])


@pytest.fixture
def settings() -> Settings:
    return FEW


@pytest.fixture
async def server(
    nursery: trio.Nursery, world: StreamWorld, settings: Settings, tmp_path: Path
) -> AsyncIterator[WebServer]:
    running = WebServer(app=app_of(world, settings), settings=settings, certificate=make_certificate(tmp_path))
    running.start(nursery)
    yield running
    await running.close_clients()


async def terminated(server: WebServer, name: str = "room") -> int:
    """The status of a terminate on a new connection."""
    client = await server.connect()
    body = b'{"name":"%s"}' % name.encode()
    await client.send(f"POST {TERMINATE} HTTP/1.1\nContent-Length: {len(body)}", body=body)
    return (await client.answer()).status


async def hold(server: WebServer, data: bytes, count: int, source: str = "127.0.0.1") -> list[RawClient]:
    """So many connections from `source` that have sent `data` and do no more."""
    held: list[RawClient] = []
    for _ in range(count):
        plain = trio.socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        held.append(server.client(trio.SocketStream(plain)))
        await plain.bind((source, 0))
        await plain.connect(("127.0.0.1", server.port))
        await held[-1].stream.send_all(data)
    return held


async def until_asked(world: StreamWorld, times: int) -> None:
    """Wait until so many terminates have begun."""
    while len(world.reasons) < times:
        await trio.testing.wait_all_tasks_blocked()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("settings", [FEW, SHARED])
async def test_terminate_gets_in_whatever_holds_the_connections(
    server: WebServer, world: StreamWorld, kind: str
) -> None:
    with trio.fail_after(LIMIT):
        await hold(server, KINDS[kind], 60)
        assert await terminated(server) == 200
    assert len(world.streams) == 100


async def test_terminate_gets_in_while_a_flood_goes_on(nursery: trio.Nursery, server: WebServer) -> None:
    flooding = trio.CancelScope()
    rounds = 0

    async def flood() -> None:
        nonlocal rounds
        with flooding:
            while True:
                for data in KINDS.values():
                    for client in await hold(server, data, 2):
                        await trio.aclose_forcefully(client.stream)
                        server.clients.remove(client)
                await hold(server, b"", 5)
                rounds += 1

    with trio.fail_after(LIMIT):
        nursery.start_soon(flood)
        answered = 0
        while answered < 20 or not rounds:
            assert await terminated(server, "nobody") == 404
            answered += 1
        flooding.cancel()


async def test_those_that_wait_longest_go_first_and_those_that_are_served_stay(
    server: WebServer, world: StreamWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world.stuck = True
    body = f"POST {TERMINATE} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 15\r\n\r\n".encode() + b'{"name":"room"}'
    with trio.fail_after(LIMIT):
        served = await hold(server, body, 1)
        await until_asked(world, 1)
        idle = await hold(server, KINDS["idle after an answer"], 19)
        for client in idle:
            assert (await client.answer()).status == 200
        await server.connect()
        assert await idle[0].is_closed()
        await idle[1].send("GET /healthz HTTP/1.1")
        assert (await idle[1].answer()).status == 200
        await server.connect()
        assert await idle[2].is_closed()
        assert (await served[0].answer()).status == 200
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings[0] == "too many connections: idle ones go"


@pytest.mark.parametrize("settings", [settings_with(http_max_connections=2)])
async def test_a_newcomer_is_closed_where_all_are_being_served(
    nursery: trio.Nursery, server: WebServer, world: StreamWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world.stuck = True
    body = f"POST {TERMINATE} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{{}}".encode()
    with trio.fail_after(LIMIT):
        await hold(server, body, 2)
        await until_asked(world, 2)
        event = "too many connections: new ones are closed"
        while event not in left_out(caplog):
            assert await (await server.connect()).is_closed()
    assert event in caplog.messages


@pytest.mark.parametrize("settings", [SHARED])
async def test_a_client_beyond_its_share_pushes_out_nobody_but_itself(server: WebServer) -> None:
    with trio.fail_after(LIMIT):
        (other,) = await hold(server, KINDS["idle after an answer"], 1, source="127.0.0.2")
        assert (await other.answer()).status == 200
        mine = await hold(server, b"", 6)
        assert await mine[0].is_closed()
        await other.send("GET /healthz HTTP/1.1")
        assert (await other.answer()).status == 200


@pytest.mark.parametrize("settings", [settings_with(rest_max_failed_requests=1)])
async def test_refusals_of_one_client_are_held_back_and_nothing_else(server: WebServer) -> None:
    with trio.fail_after(LIMIT):
        (client,) = await hold(server, b"", 1)
        start = trio.current_time()
        for _ in range(7):
            await client.send("GET /nothing HTTP/1.1")
            assert (await client.answer()).status == 404
        assert trio.current_time() - start >= 1.0
        held_back = await hold(server, KINDS["refusals held back"], 1)
        assert await terminated(server) == 200
        (stranger,) = await hold(server, b"", 1, source="127.0.0.2")
        await stranger.send("GET /nothing HTTP/1.1")
        assert (await stranger.answer()).status == 404
        assert held_back
