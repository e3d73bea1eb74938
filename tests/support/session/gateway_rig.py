"""A gateway on real sockets, with sessions behind it."""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
import trustme
from trio_websocket import WebSocketConnection, open_websocket_url

from actors.net.tcp_listeners import open_listener
from actors.session import Session, Socket
from actors.session.gateway import Endpoint, Gateway
from config.listeners import ListenerKeys
from config.settings import Settings
from tests.support.media.fake_plane import FakePlane
from tests.support.session.signaling_rig import TEST_OVER, Backend, SignalingRig, app

CAP = 60
"""Seconds; only to end a test that hangs."""


class Served:
    """A running gateway: where its doors are, and what is behind them."""

    def __init__(self, rig: SignalingRig, gateway: Gateway, ports: list[int], authority: trustme.CA) -> None:
        self.rig = rig
        self.gateway = gateway
        self.ws_port, self.wss_port = ports
        self.tls = ssl.create_default_context()
        authority.configure_trust(self.tls)

    def connect(self, *, origin: str | None = None, path: str = "/") -> Any:
        headers = [(b"Origin", origin.encode())] if origin else []
        return open_websocket_url(f"ws://127.0.0.1:{self.ws_port}{path}", extra_headers=headers)


@asynccontextmanager
async def serving(*, handshake_timeout: float = 20.0, **settings: Any) -> AsyncIterator[Served]:
    """A gateway on two free ports, plain and TLS."""
    rig = SignalingRig(Settings(**settings), plane=FakePlane(), apps=[app()], backend=Backend())
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    listeners = [
        open_listener("127.0.0.1", 0, keys=ListenerKeys.prefixed(name), user_timeout=30) for name in ("ws", "wss")
    ]
    doors = [Endpoint(listener=listeners[0]), Endpoint(listener=listeners[1], tls=tls)]

    def make_session(socket: Socket, *, session_id: str, origin: str | None) -> Session:
        return Session(socket, session_id=session_id, origin=origin, services=rig.services)

    gateway = Gateway(
        doors,
        supervisor=rig.supervisor,
        make_session=make_session,
        settings=rig.settings,
        overload=rig.overload,
        admission=rig.services.admission,
        handshake_timeout=handshake_timeout,
    )
    ports = [listener.getsockname()[1] for listener in listeners]
    with trio.fail_after(CAP):
        async with trio.open_nursery() as services:
            services.start_soon(rig.dispatcher.run)
            async with trio.open_nursery() as actors:
                await actors.start(rig.supervisor.run)
                await actors.start(gateway.run)
                try:
                    yield Served(rig, gateway, ports, authority)
                finally:
                    gateway.close()
                    rig.supervisor.close(TEST_OVER)
            rig.dispatcher.stop(TEST_OVER)


async def establish(client: WebSocketConnection) -> dict[str, Any]:
    """Send `connection` and return the user data."""
    await send(client, "connection", {"appKey": "defaultApp"})
    return await receive(client, "getUserData")


async def send(client: WebSocketConnection, message: str, *data: Any) -> None:
    await client.send_message(json.dumps({"message": message, "data": list(data)}))


async def receive(client: WebSocketConnection, message: str) -> dict[str, Any]:
    while True:
        frame = json.loads(await client.get_message())
        if frame["message"] == message:
            body: dict[str, Any] = frame["data"][0]
            return body


async def upgrade(stream: trio.SocketStream, headers: str = "") -> tuple[int, bytes]:
    """The HTTP status and the body of the refusal of a WebSocket upgrade."""
    request = (
        f"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{headers}"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    await stream.send_all(request.encode())
    answer = b""
    while piece := await stream.receive_some():
        answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body
