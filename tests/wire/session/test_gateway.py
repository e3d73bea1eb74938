"""The gateway over real sockets: handshakes, limits, origins, peers that stall or send garbage."""

import contextlib
import json
import socket
import struct
from typing import Any

import httpx
import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url, wrap_client_stream
from wsproto.events import TextMessage

from actors.runtime.actor import SHUTDOWN
from protocol.access import plain_http
from tests.support.session.gateway_rig import CAP, establish, receive, send, serving, upgrade


async def frames_until_closed(client: WebSocketConnection) -> list[dict[str, Any]]:
    """All frames that still come."""
    frames = []
    try:
        while True:
            frames.append(json.loads(await client.get_message()))
    except ConnectionClosed:
        # The client of trio-websocket leaves its socket open when the server was the one to close.
        await trio.aclose_forcefully(client._stream)
        return frames


async def test_a_client_is_served_on_any_path_and_its_id_names_both_ends() -> None:
    async with serving() as served, served.connect(path="/any/path?x=1") as client:
        await establish(client)
        (session,) = served.rig.supervisor.sessions()
        host, port = client.local.address, client.local.port
        assert session.session_id.startswith(f"/{host}:{port}/127.0.0.1:{served.ws_port}-")


async def test_wss() -> None:
    async with serving() as served:
        url = f"wss://127.0.0.1:{served.wss_port}/"
        async with open_websocket_url(url, ssl_context=served.tls) as client:
            assert (await establish(client))["status"] == "ESTABLISHED"


@pytest.mark.parametrize("request_", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"G", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
async def test_plain_http_at_the_tls_port_is_told_that_it_is_one(request_: bytes) -> None:
    async with serving() as served, await trio.open_tcp_stream("127.0.0.1", served.wss_port) as client:
        await client.send_all(request_)
        assert await until_closed(client) == plain_http.ANSWER


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
async def test_a_request_that_opens_no_websocket_is_told_so(method: str) -> None:
    async with serving() as served, httpx.AsyncClient(verify=served.tls, trust_env=False) as client:
        for url in (f"http://127.0.0.1:{served.ws_port}/", f"https://127.0.0.1:{served.wss_port}/"):
            answer = await client.request(method, url)
            assert (answer.status_code, answer.headers["content-type"]) == (400, "text/plain")
            assert ("WebSocket" in answer.text) is (method != "HEAD")


@pytest.mark.parametrize("garbage", [b"HELO x\r\n\r\n", b"\x16GET / HTTP/1.1\r\n\r\n", b"\x80\x2e\x01\x00\x02"])
async def test_what_is_neither_http_nor_tls_is_not_answered_by_http(garbage: bytes) -> None:
    async with serving() as served, await trio.open_tcp_stream("127.0.0.1", served.wss_port) as client:
        await client.send_all(garbage)
        await client.send_eof()
        assert b"HTTP" not in await until_closed(client)


async def test_plain_http_without_an_end_is_not_read_without_an_end() -> None:
    async with serving() as served, await trio.open_tcp_stream("127.0.0.1", served.wss_port) as client:
        with contextlib.suppress(trio.BrokenResourceError):
            while True:
                await client.send_all(b"POST / HTTP/1.1\r\n" + bytes(1 << 16))
        while served.gateway.connection_count:
            await trio.testing.wait_all_tasks_blocked(0.01)


async def test_plain_http_that_stays_has_its_place_for_a_short_time_only() -> None:
    async with serving() as served, await trio.open_tcp_stream("127.0.0.1", served.wss_port) as client:
        await client.send_all(b"GET / HTTP/1.1\r\n")
        await until_closed(client)
        while served.gateway.connection_count:
            await trio.testing.wait_all_tasks_blocked(0.01)


async def until_closed(client: trio.SocketStream) -> bytes:
    """All that still comes."""
    return b"".join([piece async for piece in client])


async def test_origins_can_be_restricted() -> None:
    async with serving(ws_allowed_origins=("https://good.test",)) as served:
        for origin in ("https://good.test", "https://Good.test:443"):  # the latter as apps may write it
            async with served.connect(origin=origin) as client:
                await establish(client)
        status = await upgrade_status(served.ws_port, "https://evil.test")
        assert status == 403
        async with served.connect() as client:
            await establish(client)


async def upgrade_status(port: int, origin: str) -> int:
    """The HTTP status of a WebSocket upgrade."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        return (await upgrade(stream, f"Origin: {origin}\r\n"))[0]


async def test_a_frame_over_the_limit_closes_the_connection_with_1009() -> None:
    async with serving(ws_max_frame_size=2048) as served, served.connect() as client:
        await establish(client)
        await send(client, "pushLogs", {"logs": "x" * 1000})
        await client.send_message("y" * 3000)
        await frames_until_closed(client)
        assert client.closed is not None
        assert client.closed.code == 1009


async def test_sessions_of_one_address_are_limited() -> None:
    async with serving(max_sessions_per_address=2) as served:
        async with served.connect() as one, served.connect() as two:
            await establish(one)
            await establish(two)
            async with await trio.open_tcp_stream("127.0.0.1", served.ws_port) as third:
                assert await third.receive_some() == b""
        while served.gateway.connection_count:
            await trio.testing.wait_all_tasks_blocked(0.01)
        async with served.connect() as client:
            await establish(client)


@pytest.mark.parametrize(
    "garbage",
    [b"", b"\x00" * 64, b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n", b"POST /rest-api HTTP/1.1\r\nHost: x\r\n\r\n"],
)
async def test_garbage_before_the_handshake_reaches_nobody_else(garbage: bytes) -> None:
    async with serving() as served, served.connect() as client:
        await establish(client)
        for port in (served.ws_port, served.wss_port):
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                if garbage:
                    await stream.send_all(garbage)
                await stream.send_eof()
                while True:
                    try:
                        if not await stream.receive_some():
                            break
                    except trio.BrokenResourceError:
                        break
        await send(client, "ping", None)
        await receive(client, "pong")


GONE = ("closed", "reset")


@pytest.mark.parametrize("how", GONE)
@pytest.mark.parametrize("said", [b"", b"GET / HT", b"\x16\x03\x01"])
async def test_who_leaves_before_the_upgrade_counts_no_longer(said: bytes, how: str) -> None:
    async with serving(handshake_timeout=2 * CAP) as served:
        for port in (served.ws_port, served.wss_port):
            clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
            while served.gateway.connection_count < len(clients):
                await trio.testing.wait_all_tasks_blocked(0.01)
            for client in clients:
                client.sendall(said)
                if how == "reset":
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
            while served.gateway.connection_count:  # far sooner than the handshake's time is over
                await trio.testing.wait_all_tasks_blocked(0.01)


async def test_who_only_knocks_takes_no_sessions_place() -> None:
    async with serving(max_sessions=1, max_sessions_per_address=1) as served:
        knocking = [await trio.open_tcp_stream("127.0.0.1", served.ws_port) for _ in range(10)]
        while served.gateway.connection_count < len(knocking):
            await trio.testing.wait_all_tasks_blocked(0.01)
        async with served.connect() as client:
            await establish(client)
            status, body = await upgrade(knocking[0])
            assert (status, body) == (503, b"Too many sessions\n")
        for stream in knocking:
            await stream.aclose()


async def test_of_arrivals_beyond_the_limit_the_oldest_goes() -> None:
    async with serving(ws_max_arrivals=3, ws_max_arrivals_per_address=2) as served:
        waiting = [await trio.open_tcp_stream("127.0.0.1", served.ws_port) for _ in range(2)]
        while served.gateway.connection_count < 2:
            await trio.testing.wait_all_tasks_blocked(0.01)
        async with await trio.open_tcp_stream("127.0.0.1", served.ws_port) as third:
            assert await third.receive_some() == b""
        await waiting[0].aclose()
        while served.gateway.connection_count > 1:
            await trio.testing.wait_all_tasks_blocked(0.01)
        async with served.connect() as client:
            await establish(client)
        await waiting[1].aclose()


async def test_upgrades_of_one_address_beyond_their_rate_wait_and_are_served() -> None:
    async with serving(ws_max_upgrades_per_address=4) as served:
        begun = trio.current_time()
        for _ in range(10):
            async with served.connect() as client:
                await establish(client)
        assert trio.current_time() - begun >= 2 / 4, "8 at once, then 4 a second"


async def test_an_overloaded_server_refuses_sessions_and_keeps_those_it_has() -> None:
    async with serving() as served, served.connect() as client:
        await establish(client)
        for _ in range(20):
            served.rig.overload.note(1.0, trio.current_time())
        async with await trio.open_tcp_stream("127.0.0.1", served.ws_port) as stream:
            assert await upgrade(stream) == (503, b"Server is overloaded\n")
        await send(client, "ping", None)
        await receive(client, "pong")


async def test_a_reset_in_the_middle_of_a_session_ends_it() -> None:
    async with serving() as served:
        async with served.connect() as client:
            await establish(client)
            await receive(
                client, "ping"
            )  # the last frame of the greeting: trio-websocket does not close over unread ones
            (session,) = served.rig.supervisor.sessions()
            raw: trio.SocketStream = client._stream
            linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            raw.socket.close()
            await session.stopped.wait()
        assert session.reason is not None


async def test_a_client_that_stops_reading_is_dropped_and_others_go_on() -> None:
    generous = {"max_stream_event_size": 1_000_000, "max_stream_events": 10_000}
    async with serving(**generous) as served, served.connect() as client:
        await establish(client)
        async with served.connect() as publisher:
            await establish(publisher)
            request = {"mediaSessionId": "p1", "name": "cam", "sdp": "v=0", "mediaProvider": "WebRTC"}
            await send(publisher, "publishStream", request)
            await receive(publisher, "notifyStreamStatusEvent")
            stalled = await stalled_player(served.ws_port)
            own = f":{stalled.getsockname()[1]}/"
            (session,) = [s for s in served.rig.supervisor.sessions() if own in s.session_id]
            while session.reason is None:
                payload = "x" * 500_000
                await send(publisher, "sendStreamEvent", {"mediaSessionId": "p1", "type": "data", "payload": payload})
                await send(publisher, "ping", None)
                await receive(publisher, "pong")
            assert session.reason.cause == "client-does-not-read"
            await session.stopped.wait()
            stalled.close()
        await send(client, "ping", None)
        await receive(client, "pong")


async def stalled_player(port: int) -> trio.socket.SocketType:
    """A client that plays `cam` and then never reads again."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    async with trio.open_nursery() as nursery:
        client = await wrap_client_stream(nursery, stream, "127.0.0.1", "/")
        await establish(client)
        await send(client, "playStream", {"mediaSessionId": "v1", "name": "cam", "sdp": "v=0"})
        await receive(client, "notifyStreamStatusEvent")
        nursery.cancel_scope.cancel()
    return stream.socket


async def test_shutdown_tells_every_stream_and_closes_every_socket_with_1001() -> None:
    async with serving() as served:
        async with served.connect() as client:
            await establish(client)
            await send(client, "publishStream", {"mediaSessionId": "p1", "name": "cam", "sdp": "v=0"})
            await receive(client, "notifyStreamStatusEvent")
            served.gateway.close()
            served.rig.supervisor.close(SHUTDOWN)
            frames = await frames_until_closed(client)
            assert client.closed is not None
            assert client.closed.code == 1001
    last = [frame["data"][0] for frame in frames if frame["message"] == "notifyStreamStatusEvent"]
    assert [(body["status"], body["info"]) for body in last] == [("FAILED", "Stopped by session disconnect")]


async def test_a_client_that_never_finishes_a_message_is_closed_before_it_holds_much(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(max_client_memory=1024 * 1024) as served, served.connect() as client:
        part = TextMessage(data="x" * 100_000, message_finished=False)
        await client._stream.send_all(client._wsproto.send(part))
        assert await frames_until_closed(client) == []
        assert client.closed is not None
        assert client.closed.code == 1008
    assert "client holds too much" in caplog.text
    assert served.gateway.client_memory == 0


async def test_a_client_that_is_too_fast_is_slowed_down_and_served(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(ws_max_frames_per_second=10) as served:
        with trio.CancelScope() as ours:  # closed in order, the client would wait for what it has not read
            async with served.connect() as client:
                await establish(client)
                ping = client._wsproto.send(TextMessage(data=json.dumps({"message": "ping", "data": [None]})))
                await client._stream.send_all(ping * 400)  # more than are read at once and in half a minute
                while "client is slowed down" not in caplog.text:
                    await receive(client, "pong")
                await receive(client, "pong")
                ours.cancel()
