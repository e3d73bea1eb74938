"""The end of the REST server, and clients that do not read."""

import math

import pytest
import trio
from starlette.types import Receive, Scope, Send

from config.settings import Settings
from tests.support.web.rest_rig import FIND, LIMIT, TERMINATE, is_alive
from tests.support.web.stream_world import StreamWorld, stream
from tests.support.web.web_rig import app_of, settings_with
from tests.support.web.web_server import Certificate, WebServer


async def test_shutdown_closes_idle_connections_and_refuses_new_ones(server: WebServer) -> None:
    with trio.fail_after(LIMIT):
        idle, fresh = await server.connect(), await server.connect()
        await idle.send("GET /healthz HTTP/1.1")
        await idle.answer()
        server.shutdown.set()
        assert await idle.is_closed()
        assert await fresh.is_closed()
        await idle.stream.aclose()
        await fresh.stream.aclose()
        await server.stopped.wait()
        with pytest.raises(OSError, match="connect"):
            await server.connect()


@pytest.mark.parametrize("settings", [settings_with(rest_terminate_timeout=0.3)])
async def test_shutdown_waits_for_a_request_under_way(server: WebServer, world: StreamWorld) -> None:
    world.stuck = True
    with trio.fail_after(LIMIT):
        client = await server.connect()
        await client.send(f"POST {TERMINATE} HTTP/1.1\nContent-Length: 2", body=b"{}")
        await is_alive(server)
        server.shutdown.set()
        assert (await client.answer()).status == 200
        assert await client.is_closed()
        await client.stream.aclose()
        await server.stopped.wait()


async def test_an_answer_without_an_end_ends_at_the_shutdown(
    nursery: trio.Nursery, settings: Settings, certificate: Certificate
) -> None:
    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"
        await send({"type": "http.response.body", "body": b"last", "more_body": False})

    running = WebServer(app=endless, settings=settings, certificate=certificate, grace=LIMIT)
    running.start(nursery)
    with trio.fail_after(LIMIT):
        client = await running.connect()
        await client.send("GET / HTTP/1.1")
        assert (await client.answer()).headers["transfer-encoding"] == "chunked"
        await client.read_until(b"5\r\nfirst\r\n")
        running.shutdown.set()
        await client.read_until(b"4\r\nlast\r\n0\r\n\r\n")
        await client.stream.aclose()
        await running.stopped.wait()


@pytest.mark.parametrize("world", [StreamWorld([stream(f"m{n}", sdp="x" * 100_000) for n in range(300)])])
@pytest.mark.parametrize("secure", [False, True])
async def test_a_client_that_does_not_read_cannot_hold_a_shutdown(
    server: WebServer, certificate: Certificate, secure: bool
) -> None:
    request = f"GET {FIND} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with trio.fail_after(LIMIT):
        if secure:
            stalled: trio.abc.Stream = await trio.open_ssl_over_tcp_stream(
                "localhost", server.tls_port, ssl_context=certificate.trust
            )
        else:
            stalled = await trio.open_tcp_stream("127.0.0.1", server.port)
        await stalled.send_all(request)
        await stalled.receive_some(1)
        server.shutdown.set()
        await server.stopped.wait()
    await trio.aclose_forcefully(stalled)


async def test_a_client_that_does_not_read_is_dropped(
    nursery: trio.Nursery, settings: Settings, certificate: Certificate
) -> None:
    world = StreamWorld([stream(f"m{n}", sdp="x" * 100_000) for n in range(300)])
    running = WebServer(app=app_of(world), settings=settings, certificate=certificate, grace=math.inf, send_timeout=0.3)
    running.start(nursery)
    with trio.fail_after(LIMIT):
        client = await running.connect()
        await client.send(f"GET {FIND} HTTP/1.1")
        await client.stream.receive_some(1)
        running.shutdown.set()
        await running.stopped.wait()
    await running.close_clients()
