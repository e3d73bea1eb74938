"""The REST API on real sockets: TLS, slow, huge and hostile clients."""

import contextlib
import logging
import socket
import ssl

import httpx
import pytest
import trio

from protocol.access import plain_http
from tests.support.limited_log import left_out
from tests.support.web.rest_rig import FIND, LIMIT, TERMINATE, BrokenWorld, is_alive
from tests.support.web.stream_world import StreamWorld, stream
from tests.support.web.web_rig import settings_with
from tests.support.web.web_server import Certificate, WebServer

# -- the ordinary case -------------------------------------------------------------------------------------------------


async def test_terminate_over_http_and_https(server: WebServer, world: StreamWorld, certificate: Certificate) -> None:
    world.streams.append(stream("n", "other"))
    async with httpx.AsyncClient(verify=certificate.trust, timeout=LIMIT) as client:
        plain = await client.post(f"http://127.0.0.1:{server.port}{TERMINATE}", json={"name": "room"})
        tls = await client.post(f"https://localhost:{server.tls_port}{TERMINATE}", json={"name": "other"})
    for answer in (plain, tls):
        assert answer.status_code == 200
        assert answer.http_version == "HTTP/1.1"
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["content-length"] == "0"
        assert "server" not in answer.headers
    assert world.streams == []


async def test_the_own_origin_is_that_of_the_listener(server: WebServer, certificate: Certificate) -> None:
    own = f"https://localhost:{server.tls_port}"
    async with httpx.AsyncClient(verify=certificate.trust, timeout=LIMIT) as client:
        assert (await client.get(own + FIND, headers={"Origin": own})).status_code == 200
        foreign = {"Origin": f"http://localhost:{server.tls_port}"}
        assert (await client.get(own + FIND, headers=foreign)).status_code == 403


async def test_tls_offers_http_1_1_only(server: WebServer, certificate: Certificate) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    with trio.fail_after(LIMIT):
        stream = await trio.open_ssl_over_tcp_stream("127.0.0.1", server.tls_port, ssl_context=context)
        await stream.do_handshake()
        assert stream.selected_alpn_protocol() == "http/1.1"
        await trio.aclose_forcefully(stream)


async def test_plain_http_at_the_tls_port_is_told_that_it_is_one(server: WebServer) -> None:
    with trio.fail_after(LIMIT):
        async with await trio.open_tcp_stream("127.0.0.1", server.tls_port) as client:
            await client.send_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"".join([piece async for piece in client]) == plain_http.ANSWER
    assert await is_alive(server)


async def test_requests_follow_each_other_on_one_connection(server: WebServer) -> None:
    with trio.fail_after(LIMIT):
        client = await server.connect()
        for _ in range(2):
            await client.send(f"GET {FIND} HTTP/1.1")
            assert (await client.answer()).status == 200
        await client.send("GET /healthz HTTP/1.1\nHost: localhost\n\nGET /readyz HTTP/1.1")
        assert b"alive" in (await client.answer()).body
        assert b"ready" in (await client.answer()).body


async def test_a_client_that_closes_its_side_still_gets_its_answer(server: WebServer) -> None:
    with trio.fail_after(LIMIT):
        client = await server.connect()
        await client.send("GET /healthz HTTP/1.0")
        await client.stream.send_eof()
        assert (await client.answer()).status == 200
        assert await client.is_closed()


async def test_a_client_that_asks_first_is_told_to_send_its_body(server: WebServer) -> None:
    with trio.fail_after(LIMIT):
        client = await server.connect()
        await client.send(f"POST {TERMINATE} HTTP/1.1\nContent-Length: 15\nExpect: 100-continue")
        assert (await client.answer()).status == 100
        await client.stream.send_all(b'{"name":"room"}')
        assert (await client.answer()).status == 200


# -- bodies ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["Content-Length: 300000000", "Transfer-Encoding: chunked"])
async def test_a_huge_body_is_413_and_not_read_to_its_end(
    nursery: trio.Nursery, server: WebServer, framing: str
) -> None:
    client = await server.connect()

    async def send_for_ever() -> None:
        piece = b"10000\r\n" + b"x" * 65536 + b"\r\n" if "chunked" in framing else b"x" * 65536
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while True:
                await client.stream.send_all(piece)

    with trio.fail_after(LIMIT):
        await client.send(f"POST {TERMINATE} HTTP/1.1\n{framing}")
        nursery.start_soon(send_for_ever)
        answer = await client.answer()
        assert answer.status == 413
        assert answer.headers["connection"] == "close"
        assert await client.is_closed()
    assert await is_alive(server)


@pytest.mark.parametrize("settings", [settings_with(rest_body_timeout=0.3)])
async def test_a_body_that_stays_half_sent_is_408(server: WebServer, world: StreamWorld) -> None:
    with trio.fail_after(LIMIT):
        client = await server.connect()
        await client.send(f"POST {TERMINATE} HTTP/1.1\nContent-Length: 100", body=b'{"name":')
        answer = await client.answer()
        assert answer.status == 408
        await client.stream.send_eof()
        assert await client.is_closed()
    assert world.reasons == []


@pytest.mark.parametrize("settings", [settings_with(rest_body_timeout=0.3)])
@pytest.mark.parametrize("start", [b"", b"GET / HTT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_a_head_that_does_not_come_closes_the_connection(server: WebServer, start: bytes) -> None:
    with trio.fail_after(LIMIT):
        client = await server.connect()
        await client.stream.send_all(start)
        assert await client.is_closed()


# -- hostile clients ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_lines",
    [
        "GET /healthz HTTP/1.1\nUpgrade: h2c\nConnection: Upgrade, HTTP2-Settings\nHTTP2-Settings: AAA",
        "GET /healthz HTTP/1.1\nUpgrade: h2c\nConnection: Upgrade, HTTP2-Settings\nHTTP2-Settings: AAMAAABkAAQAAP__",
    ],
)
async def test_an_upgrade_to_http2_is_ignored(server: WebServer, request_lines: str) -> None:
    with trio.fail_after(LIMIT):
        client = await server.connect()
        await client.send(request_lines)
        assert (await client.answer()).status == 200
    assert await is_alive(server)


async def test_the_http2_preface_is_no_way_in(server: WebServer) -> None:
    with trio.fail_after(LIMIT):
        client = await server.connect()
        await client.stream.send_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 100)
        assert (await client.answer()).status >= 400
    assert await is_alive(server)


UPGRADE = "GET / HTTP/1.1\nUpgrade: websocket\nConnection: Upgrade"
KEY = "\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="


@pytest.mark.parametrize(
    ("request_lines", "rest", "status"),
    [
        (UPGRADE + KEY, b"", 403),
        (UPGRADE, b"", 403),
        (UPGRADE + KEY, b"\0", 403),
        (UPGRADE + KEY, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 403),
        ("GET / HTTP/1.1\nUpgrade: websocket", b"\x81\x85", 403),
        ("head / HTTP/1.1", b"", 405),
        ("get / HTTP/1.1", b"\0", 405),
    ],
)
async def test_odd_requests_are_answered_and_the_connection_goes_on_or_ends(
    server: WebServer, request_lines: str, rest: bytes, status: int
) -> None:
    with trio.fail_after(LIMIT):
        client = await server.connect()
        await client.send(request_lines, body=rest)
        assert (await client.answer()).status == status
        if rest.startswith(b"GET"):
            assert (await client.answer()).status == 200
        elif rest:
            await client.send("GET /healthz HTTP/1.1")
            assert (await client.answer()).status == 400
            await client.stream.send_eof()
            assert await client.is_closed()
        else:
            await client.send("GET /healthz HTTP/1.1")
            assert (await client.answer()).status == 200
    assert await is_alive(server)


async def test_an_absolute_target_is_the_request_of_its_path(server: WebServer) -> None:
    with trio.fail_after(LIMIT):
        client = await server.connect()
        for target, status in (("http://127.0.0.1/healthz", 200), ("http://evil.example/page/state", 403)):
            await client.send(f"GET {target} HTTP/1.1")
            assert (await client.answer()).status == status


async def test_what_is_no_request_is_told_so_in_the_answer_and_the_log(
    server: WebServer, caplog: pytest.LogCaptureFixture
) -> None:
    event = "request not understood"
    with trio.fail_after(LIMIT):
        while event not in left_out(caplog):  # once a second
            client = await server.connect()
            await client.send(f"POST {TERMINATE} HTTP/1.1\nContent-Length: 2\nTransfer-Encoding: chunked", body=b"{}")
            answer = await client.answer()
            assert answer.status == 400
            assert answer.headers["connection"] == "close"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert b"two ways" in answer.body
    assert {record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING} == {event}


async def test_a_websocket_is_refused(server: WebServer) -> None:
    with trio.fail_after(LIMIT):
        client = await server.connect()
        await client.send(
            "GET / HTTP/1.1\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        )
        assert (await client.answer()).status == 403
    assert await is_alive(server)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100,
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A" * 100_000,
        b"\0" * 1000 + b"\r\n\r\n",
    ],
)
async def test_garbage_is_400_or_a_closed_connection(server: WebServer, garbage: bytes) -> None:
    with trio.fail_after(LIMIT):
        client = await server.connect()
        await client.stream.send_all(garbage)
        answer = await client.answer()
        assert 400 <= answer.status < 500
    assert await is_alive(server)


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01", b"\0" * 2000, b""])
async def test_garbage_instead_of_tls_harms_nobody(server: WebServer, garbage: bytes) -> None:
    with trio.fail_after(LIMIT):
        client = server.client(await trio.open_tcp_stream("127.0.0.1", server.tls_port))
        await client.stream.send_all(garbage)
        await client.stream.send_eof()
        while await client.stream.receive_some(1000):
            pass
    assert await is_alive(server)


async def test_a_body_with_broken_chunks_stops_nothing(server: WebServer, world: StreamWorld) -> None:
    with trio.fail_after(LIMIT):
        client = await server.connect()
        await client.send(f"POST {TERMINATE} HTTP/1.1\nTransfer-Encoding: chunked", body=b"2\r\n{}\r\nzz\r\n")
        assert (await client.answer()).status == 400
    assert world.reasons == []
    assert await is_alive(server)


@pytest.mark.parametrize("settings", [settings_with(rest_terminate_timeout=0.3)])
async def test_a_client_that_resets_while_it_is_served_harms_nobody(
    server: WebServer, world: StreamWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world.stuck = True
    client = await server.connect()
    await client.send(f"POST {TERMINATE} HTTP/1.1\nContent-Length: 2", body=b"{}")
    client.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    await client.stream.aclose()
    assert await is_alive(server)
    server.shutdown.set()
    with trio.fail_after(LIMIT):
        await server.stopped.wait()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("world", [BrokenWorld()])
async def test_a_fault_of_ours_is_a_500_with_a_traceback_in_the_log(
    server: WebServer, caplog: pytest.LogCaptureFixture
) -> None:
    with trio.fail_after(LIMIT):
        client = await server.connect()
        await client.send(f"GET {FIND} HTTP/1.1")
        answer = await client.answer()
        assert await is_alive(server)
        server.shutdown.set()
        await server.stopped.wait()
    assert answer.status == 500
    assert b"fault of ours" not in answer.body
    crashes = [record for record in caplog.records if "request crashed" in record.getMessage()]
    assert crashes[0].exc_info is not None
    assert crashes[0].__dict__["wcsd_fields"]["request"] == answer.headers["x-request-id"]
