"""Clients behind proxies on real sockets: X-Forwarded-For, and the PROXY protocol in front of TLS."""

import contextlib
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
import trio
import trio.testing
from trio_websocket import WebSocketConnection, open_websocket_url, wrap_client_stream

from protocol.access.client_address import TrustedProxies
from protocol.access.proxy_protocol import MAX_LENGTH, SIGNATURE
from tests.support.session.gateway_rig import Served, establish, receive, send, serving, upgrade

HERE = TrustedProxies((ip_network("127.0.0.1"),))
ELSEWHERE = TrustedProxies((ip_network("10.0.0.0/8"),))
CLIENT, OTHER = "192.0.2.7", "192.0.2.8"


def forwarded(served: Served, *addresses: str) -> Any:
    """A WebSocket over a proxy that sends these values of X-Forwarded-For."""
    headers = [(b"X-Forwarded-For", address.encode()) for address in addresses]
    return open_websocket_url(f"ws://127.0.0.1:{served.ws_port}/", extra_headers=headers)


def header(address: str, port: int = 4711) -> bytes:
    """The PROXY protocol's header for a client at `address`."""
    packed = ip_address(address).packed
    rest = packed * 2 + struct.pack("!HH", port, 443)
    return SIGNATURE + struct.pack("!BBH", 0x21, 0x11 if len(packed) == 4 else 0x21, len(rest)) + rest


LOCAL = SIGNATURE + bytes.fromhex("20000000")


@asynccontextmanager
async def proxied(served: Served, start: bytes, *, tls: bool = False) -> AsyncIterator[WebSocketConnection]:
    """A WebSocket whose connection begins with `start`, byte by byte."""
    plain = await trio.open_tcp_stream("127.0.0.1", served.wss_port if tls else served.ws_port)
    for at in range(len(start)):
        await plain.send_all(start[at : at + 1])
    stream = trio.SSLStream(plain, served.tls, server_hostname="127.0.0.1") if tls else plain
    async with trio.open_nursery() as nursery:
        client = await wrap_client_stream(nursery, stream, "127.0.0.1", "/")
        async with client:
            yield client


def session_id(served: Served) -> str:
    (session,) = served.rig.supervisor.sessions()
    return session.session_id


def refusals(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    return [vars(record)["wcsd_fields"] for record in caplog.records if record.getMessage() == event]


async def until_none_is_left(served: Served) -> None:
    while served.gateway.connection_count:
        await trio.testing.wait_all_tasks_blocked(0.01)


# -- X-Forwarded-For -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([CLIENT], f"/{CLIENT}:0/"),
        ([f"8.8.8.8, {CLIENT}"], f"/{CLIENT}:0/"),
        (["8.8.8.8", f"{CLIENT}:5555, 127.0.0.1"], f"/{CLIENT}:5555/"),
        (["[2001:db8::1]:5555"], "/[2001:db8::1]:5555/"),
    ],
)
async def test_session_and_connect_hook_have_the_address_that_the_proxy_names(values: list[str], shown: str) -> None:
    async with serving(trusted_proxies=HERE) as served, forwarded(served, *values) as client:
        await establish(client)
        assert session_id(served).startswith(shown)
        (connect,) = served.rig.backend.called("connect")
        assert connect["sessionId"].startswith(shown)


@pytest.mark.parametrize("trusted", [TrustedProxies(), ELSEWHERE])
async def test_a_header_of_somebody_else_is_ignored_and_of_this_machine_told(
    trusted: TrustedProxies, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(trusted_proxies=trusted) as served, forwarded(served, CLIENT) as client:
        await establish(client)
        assert session_id(served).startswith("/127.0.0.1:")
        async with forwarded(served, CLIENT) as other:
            await establish(other)
    told = {"setting": "trusted_proxies", "address": "127.0.0.1"}
    assert refusals(caplog, "X-Forwarded-For from this machine is not believed") == [told]  # not for each client


@pytest.mark.parametrize("value", ["unknown", "x" * 12_000, ",".join(["1.1.1.1x"] * 1_000), "\xff\xfe", "[::1"])
async def test_a_header_without_an_address_leaves_the_proxys(value: str) -> None:
    headers = [(b"X-Forwarded-For", value.encode("latin-1"))]
    async with serving(trusted_proxies=HERE) as served:
        async with open_websocket_url(f"ws://127.0.0.1:{served.ws_port}/", extra_headers=headers) as client:
            await establish(client)
            assert session_id(served).startswith("/127.0.0.1:")


async def test_a_header_that_is_too_long_is_refused_and_affects_nobody() -> None:
    async with serving(trusted_proxies=HERE) as served, forwarded(served, CLIENT) as client:
        await establish(client)
        async with await trio.open_tcp_stream("127.0.0.1", served.ws_port) as stream:
            with contextlib.suppress(trio.BrokenResourceError):
                await stream.send_all(b"GET / HTTP/1.1\r\nX-Forwarded-For: " + b"1.1.1.1, " * 20_000)
            while await _reads(stream):
                pass
        await send(client, "ping", None)
        await receive(client, "pong")


async def test_sessions_are_limited_by_the_clients_address() -> None:
    async with serving(trusted_proxies=HERE, max_sessions_per_address=1) as served:
        async with forwarded(served, CLIENT) as one, forwarded(served, OTHER) as two:
            await establish(one)
            await establish(two)
            async with await trio.open_tcp_stream("127.0.0.1", served.ws_port) as stream:
                assert await upgrade(stream, f"X-Forwarded-For: {CLIENT}\r\n") == (503, b"Too many sessions\n")
            async with forwarded(served, "192.0.2.9") as three:
                await establish(three)
        await until_none_is_left(served)
        async with forwarded(served, CLIENT) as client:
            await establish(client)


async def test_a_proxy_has_no_share_of_arrivals_and_its_clients_have() -> None:
    async with serving(trusted_proxies=HERE, ws_max_arrivals_per_address=1) as served:
        waiting = [await trio.open_tcp_stream("127.0.0.1", served.ws_port) for _ in range(5)]
        while served.gateway.connection_count < len(waiting):
            await trio.testing.wait_all_tasks_blocked(0.01)
        async with forwarded(served, CLIENT) as client:
            await establish(client)
        for stream in waiting:
            await stream.aclose()


async def test_upgrades_are_paced_by_the_clients_address() -> None:
    async with serving(trusted_proxies=HERE, ws_max_upgrades_per_address=4) as served:
        begun = trio.current_time()
        for number in range(20):
            async with forwarded(served, f"192.0.2.{number}") as client:
                await establish(client)
        for _ in range(10):
            async with forwarded(served, CLIENT) as client:
                await establish(client)
        assert trio.current_time() - begun >= 2 / 4, "8 at once, then 4 a second"


async def test_frames_and_memory_are_counted_by_the_clients_address(caplog: pytest.LogCaptureFixture) -> None:
    limits: dict[str, Any] = {"ws_max_frames_per_second_per_address": 10, "ws_max_frames_per_second": 1000}
    async with serving(trusted_proxies=HERE, **limits) as served:
        async with forwarded(served, CLIENT) as client, forwarded(served, OTHER) as other:
            await establish(client)
            await establish(other)
            for _ in range(19):  # each counts for ten: few are needed, however slow this machine is
                await send(client, "ping", "x" * 40_000)
            while not (slowed := refusals(caplog, "client is slowed down")):
                await receive(client, "pong")
            await send(other, "ping", None)
            await receive(other, "pong")
            assert slowed[0] == {"address": CLIENT, "limit": "ws.max_frames_per_second_per_address"}


# -- the PROXY protocol ----------------------------------------------------------------------------------------------

REQUIRED: dict[str, Any] = {"trusted_proxies": HERE, "ws_proxy_protocol": True, "wss_proxy_protocol": True}


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
@pytest.mark.parametrize(
    ("start", "shown"),
    [(header(CLIENT), f"/{CLIENT}:4711/"), (header("2001:db8::1"), "/[2001:db8::1]:4711/"), (LOCAL, "/127.0.0.1:")],
    ids=["IPv4", "IPv6", "the proxy itself"],
)
async def test_a_client_is_who_the_header_before_tls_names(start: bytes, shown: str, tls: bool) -> None:
    async with serving(**REQUIRED) as served, proxied(served, start, tls=tls) as client:
        await establish(client)
        assert session_id(served).startswith(shown)


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "does not begin with"),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 3 4\r\n", "version 1"),
        (SIGNATURE + struct.pack("!BBH", 0x21, 0x11, MAX_LENGTH + 1), "longer than"),
        (SIGNATURE + struct.pack("!BBH", 0x21, 0x99, 12), "0x99"),
        (SIGNATURE[:9], "ended before"),
        (b"", "ended before"),
    ],
)
@pytest.mark.parametrize("setting", ["ws.proxy_protocol", "wss.proxy_protocol"])
async def test_a_connection_without_it_is_closed_with_a_log_line(
    start: bytes, reason: str, setting: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(**REQUIRED) as served:
        port = served.ws_port if setting == "ws.proxy_protocol" else served.wss_port
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            if start:
                await stream.send_all(start)
            if reason == "ended before":
                await stream.send_eof()
            assert not await _reads(stream)
        await until_none_is_left(served)
        (line,) = refusals(caplog, "connection without the PROXY protocol closed")
        assert (line["setting"], line["address"]) == (setting, "127.0.0.1")
        assert reason in line["reason"]


async def test_a_header_that_never_ends_has_a_deadline(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(**REQUIRED, handshake_timeout=0.2) as served:
        async with await trio.open_tcp_stream("127.0.0.1", served.ws_port) as stream:
            await stream.send_all(header(CLIENT)[:-1])
            assert not await _reads(stream)
        assert refusals(caplog, "connection without the PROXY protocol closed")[0]["setting"] == "ws.proxy_protocol"


async def test_only_a_trusted_proxy_may_send_it(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(trusted_proxies=ELSEWHERE, ws_proxy_protocol=True) as served:
        async with await trio.open_tcp_stream("127.0.0.1", served.ws_port) as stream:
            await stream.send_all(header(CLIENT))
            assert not await _reads(stream)
        assert refusals(caplog, "connection without the PROXY protocol closed")[0]["setting"] == "trusted_proxies"


async def test_limits_count_the_address_in_the_header() -> None:
    async with serving(**REQUIRED, max_sessions_per_address=1) as served:
        async with proxied(served, header(CLIENT)) as one, proxied(served, header(OTHER)) as two:
            await establish(one)
            await establish(two)
            async with await trio.open_tcp_stream("127.0.0.1", served.ws_port) as stream:
                await stream.send_all(header(CLIENT))
                assert not await _reads(stream)


async def test_behind_both_kinds_of_proxies_the_client_is_the_one_that_neither_trusts() -> None:
    trusted = TrustedProxies((*HERE.networks, *ELSEWHERE.networks))
    request = f"X-Forwarded-For: 8.8.8.8, {CLIENT}\r\n"
    settings = {**REQUIRED, "trusted_proxies": trusted, "ws_allowed_origins": ("https://page.test",)}
    async with serving(**settings, max_sessions_per_address=1) as served:
        async with proxied(served, header("10.0.0.1")) as balancer, proxied(served, header(CLIENT)) as client:
            await establish(balancer)
            await establish(client)
            async with await trio.open_tcp_stream("127.0.0.1", served.ws_port) as stream:
                await stream.send_all(header("10.0.0.2"))
                assert await upgrade(stream, request) == (503, b"Too many sessions\n")


async def _reads(stream: trio.SocketStream) -> bool:
    """Whether more comes; false when the other side has closed or reset the connection."""
    try:
        return bool(await stream.receive_some())
    except trio.BrokenResourceError:
        return False
