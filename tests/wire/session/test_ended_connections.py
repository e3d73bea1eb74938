"""However a client's connection ends, nothing of it waits for a garbage collection.

Server and clients run in one process; the clients are such that they leave nothing behind either.
"""

import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from actors.net.tcp_stream import TcpStream
from tests.support.collection import no_collection, uncollected
from tests.support.servers.full_server import FullServer, full_server
from tests.support.session.wcs_client import PATIENCE, WcsClient, wcs_client

TIMES = 3
RESET = struct.pack("ii", 1, 0)
"""For SO_LINGER: closing resets the connection."""

End = Callable[[FullServer, str], Awaitable[None]]


async def client_closes(server: FullServer, listener: str) -> None:
    async with wcs_client(server.url(listener)) as client:
        await client.send("getVersion")


async def client_resets(server: FullServer, listener: str) -> None:
    async with wcs_client(server.url(listener)) as client:
        _reset(_socket(client))
        await server.until_idle()


async def client_breaks_the_protocol(server: FullServer, listener: str) -> None:
    async with wcs_client(server.url(listener)) as client:
        await client.socket._stream.send_all(b"\xff" * 100)
        await _until_closed(client)


async def client_sends_no_json(server: FullServer, listener: str) -> None:
    async with wcs_client(server.url(listener)) as client:
        await client.socket.send_message("{" * 10)
        await client.send("getVersion")


async def backend_is_unknown(server: FullServer, listener: str) -> None:
    async with wcs_client(server.url(listener), established=False) as client:
        await client.send("connection", {"appKey": "nobody", "mediaProviders": ["WebRTC"]})
        await _until_closed(client)


async def stream_fails(server: FullServer, listener: str) -> None:
    async with wcs_client(server.url(listener)) as client:
        media_session_id = await client.request("publishStream", "news", "no SDP")
        await client.receive("notifyStreamStatusEvent", mediaSessionId=media_session_id, status="FAILED")


async def room_is_joined(server: FullServer, listener: str) -> None:
    async with wcs_client(server.url(listener), appKey="roomApp", custom={"login": "ann"}) as client:
        for number, (command, room) in enumerate([("join", "a"), ("join", "b"), ("join", "b"), ("leave", "a")]):
            payload = {"command": command, "options": {"name": room}}
            await client.send("sendData", {"operationId": f"o{number}", "payload": payload})
            await client.receive("DataStatusEvent", operationId=f"o{number}", status="ACCEPTED")
        custom = {"name": "b"}
        media_session_id = await client.request("publishStream", "news", "no SDP", custom=custom)
        await client.receive("notifyStreamStatusEvent", mediaSessionId=media_session_id, status="FAILED")


async def tls_is_reset(server: FullServer, listener: str) -> None:
    (address,) = server.addresses[listener]
    async with await trio.open_tcp_stream(address.host, address.port) as stream:
        await stream.send_all(b"\x16\x03\x01")
        _reset(stream.socket)


async def tls_is_not_spoken(server: FullServer, listener: str) -> None:
    (address,) = server.addresses[listener]
    async with await trio.open_tcp_stream(address.host, address.port) as stream:
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with contextlib.suppress(trio.BrokenResourceError):
            while await stream.receive_some(1000):
                pass


ENDS: list[End] = [
    client_closes,
    client_resets,
    client_breaks_the_protocol,
    client_sends_no_json,
    backend_is_unknown,
    stream_fails,
    room_is_joined,
]
CASES = [(end, listener) for end in ENDS for listener in ("ws", "wss")]
CASES += [(end, "wss") for end in (tls_is_reset, tls_is_not_spoken)]


@pytest.mark.parametrize(("end", "listener"), CASES, ids=[f"{listener}-{end.__name__}" for end, listener in CASES])
async def test_nothing_waits_for_a_collection(tmp_path: Path, end: End, listener: str) -> None:
    with trio.fail_after(PATIENCE):
        async with full_server(tmp_path) as server:
            await end(server, listener)  # once for what is made for good
            await server.until_idle()
            with no_collection():
                for _ in range(TIMES):
                    await end(server, listener)
                await server.until_idle()
                left = uncollected()
    assert left == {}


def _socket(client: WcsClient) -> trio.socket.SocketType:
    stream = client.socket._stream
    transport = stream.transport_stream if isinstance(stream, trio.SSLStream) else stream
    assert isinstance(transport, TcpStream)
    return transport.socket


def _reset(connection: trio.socket.SocketType) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()


async def _until_closed(client: WcsClient) -> None:
    with trio.fail_after(PATIENCE):
        await client.closed.wait()
