"""A client without a browser: a real WebSocket that speaks the WebSDK's language, and media peers for its streams.

    async with wcs_client(url) as client:
        stream = await client.publish("news")       # PUBLISHING, with media flowing
        player = await client.play("news")          # PLAYING

Each helper waits for the frame that tells of its success, and fails with all frames that came when it does not come.
"""

import json
import ssl
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

import trio
from attrs import define, field
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from actors.net.tcp_stream import TcpStream, drop_references
from tests.support.nurseries import plain_nursery
from tests.support.webrtc.media_peer import MediaPeer, Received, vp8_key_frame

PATIENCE = 60.0
"""Seconds that anything may take; only to end a test that hangs."""

Frame = dict[str, Any]


@define(eq=False, kw_only=True)
class ClientStream:
    """One media session of a client."""

    client: "WcsClient"
    id: str
    name: str
    peer: MediaPeer
    sequence: int = field(init=False, default=1000)
    _running: trio.CancelScope = field(init=False, factory=trio.CancelScope)

    async def status(self, status: str, *, within: float = PATIENCE) -> Frame:
        """Wait for this status; its frame."""
        return await self.client.receive(
            "notifyStreamStatusEvent", within=within, mediaSessionId=self.id, status=status
        )

    @property
    def statuses(self) -> list[tuple[str, str | None]]:
        """Each status that came so far, with its info."""
        return [(frame["status"], frame.get("info")) for frame in self.client.statuses_of(self.id)]

    def send_key_frame(self, filler: bytes = b"") -> None:
        """Publish one VP8 key frame, in one packet."""
        self.sequence += 1
        self.peer.send(self.peer.rtp(self.sequence, vp8_key_frame(filler), marker=True, timestamp=self.sequence * 3000))

    async def until_media(self, matches: Callable[[Received], bool] = lambda packet: True) -> None:
        """Wait for an RTP packet that matches."""
        await self.peer.until(lambda: any(map(matches, self.peer.received)), within=PATIENCE)

    async def until_closed(self) -> None:
        """Wait for the server's close_notify."""
        with trio.fail_after(PATIENCE):
            await self.peer.closed.wait()

    async def run_peer(self) -> None:
        """Connect and go on until `leave`."""
        with self._running:
            await self.peer.run()

    def leave(self) -> None:
        """Let the peer vanish without a word."""
        self._running.cancel()
        self.client.peers.remove(self.peer)


@define(eq=False)
class WcsClient:
    """One WebSocket. `frames` holds whatever came, as (message, first object of `data`)."""

    socket: WebSocketConnection
    nursery: trio.Nursery = field(repr=False)
    peers: list[MediaPeer]
    answers_pings: bool = False
    """For those that stay longer than a server waits for an answer: about a minute."""
    frames: list[tuple[str, Frame]] = field(init=False, factory=list)
    closed: trio.Event = field(init=False, factory=trio.Event)
    _changed: trio.Event = field(init=False, factory=trio.Event)

    # -- frames --------------------------------------------------------------------------------------------------

    async def send(self, message: str, *data: Any) -> None:
        await self.socket.send_message(json.dumps({"message": message, "data": list(data)}))

    def of(self, message: str, **fields: Any) -> list[Frame]:
        """The frames that came so far and have this message and these fields."""
        return [data for name, data in self.frames if name == message and fields.items() <= data.items()]

    def statuses_of(self, media_session_id: str) -> list[Frame]:
        return self.of("notifyStreamStatusEvent", mediaSessionId=media_session_id)

    async def receive(self, message: str, *, within: float = PATIENCE, **fields: Any) -> Frame:
        """The first frame that has this message and these fields, now or later."""
        with trio.move_on_after(within):
            while not (found := self.of(message, **fields)) and not self.closed.is_set():
                await self._changed.wait()
        assert found, f"no {message} with {fields}; what came: {self.frames}"
        return found[0]

    @property
    def close_code(self) -> int | None:
        """What the server closed with; None while it has not."""
        reason = self.socket.closed
        return None if reason is None else reason.code

    # -- sessions and streams ------------------------------------------------------------------------------------

    async def connect(self, **fields: Any) -> Frame:
        """Send `connection`; the user data of the established session."""
        await self.send("connection", {"appKey": "defaultApp", "mediaProviders": ["WebRTC"], **fields})
        return await self.receive("getUserData")

    async def request(self, message: str, name: str, offer: str, **fields: Any) -> str:
        """Send `publishStream` or `playStream`; the id of the media session."""
        media_session_id = str(uuid.uuid4())
        published = message == "publishStream"
        request = {"mediaSessionId": media_session_id, "name": name, "published": published, "sdp": offer}
        request |= {"hasVideo": True, "hasAudio": True, "mediaProvider": "WebRTC", "status": "PENDING"}
        await self.send(message, request | fields)
        return media_session_id

    async def offer(self, message: str, name: str, peer: MediaPeer, **fields: Any) -> ClientStream:
        """Ask to publish or play with `peer`, and give it the answer; it does not connect by itself."""
        self.peers.append(peer)
        offer = peer.publish_offer() if message == "publishStream" else peer.play_offer()
        media_session_id = await self.request(message, name, offer, **fields)
        answer = await self.receive("setRemoteSDP", mediaSessionId=media_session_id)
        peer.accept(answer["sdp"])
        return ClientStream(client=self, id=media_session_id, name=name, peer=peer)

    async def publish(self, name: str, *, peer: MediaPeer | None = None, **fields: Any) -> ClientStream:
        """Publish until PUBLISHING; one key frame has been sent."""
        stream = await self.offer("publishStream", name, peer or MediaPeer(), **fields)
        await self.connect_media(stream)
        stream.send_key_frame()
        await stream.status("PUBLISHING")
        return stream

    async def play(self, name: str, *, peer: MediaPeer | None = None, **fields: Any) -> ClientStream:
        """Play until PLAYING."""
        stream = await self.offer("playStream", name, peer or MediaPeer(), **fields)
        await self.connect_media(stream)
        await stream.status("PLAYING")
        return stream

    async def connect_media(self, stream: ClientStream, *, only: str | None = None) -> None:
        """Let the peer of an answered stream connect, over this one of the server's addresses if one is given."""
        if only is not None:
            stream.peer.server = next(at for at in stream.peer.answer.candidates if at[0] == only)
            stream.peer.udp.connect(stream.peer.server)  # an answer from elsewhere does not count
        self.nursery.start_soon(stream.run_peer)
        with trio.fail_after(PATIENCE):
            await stream.peer.connected.wait()

    # -- life ----------------------------------------------------------------------------------------------------

    async def read(self) -> None:
        """Collect frames until the WebSocket closes."""
        try:
            while True:
                frame = json.loads(await self.socket.get_message())
                if self.answers_pings and frame["message"] == "ping":
                    await self.send("pong", None)
                    continue
                self.frames.append((frame["message"], _named(frame["data"])))
                self._notify()
        except ConnectionClosed:
            self.closed.set()
            self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


def _named(data: list[Any]) -> Frame:
    """The object of a frame; `setRemoteSDP` alone tells by position what matters here."""
    match data:
        case [dict() as fields]:
            return fields
        case [str() as media_session_id, str() as sdp, bool()]:
            return {"mediaSessionId": media_session_id, "sdp": sdp}
    return {}


def untrusting() -> ssl.SSLContext:
    """TLS that takes any certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _connect(nursery: trio.Nursery, url: SplitResult) -> WebSocketConnection:
    # trio-websocket's own way uses trio.SocketStream, which leaves a reference cycle at its end.
    assert url.hostname
    assert url.port
    stream: trio.abc.Stream = TcpStream(await trio.open_tcp_stream(url.hostname, url.port))
    if url.scheme == "wss":
        stream = trio.SSLStream(stream, untrusting(), https_compatible=True)
    accepted = cast(trio.SocketStream, stream)  # any stream will do, as on the server's side
    return await wrap_client_stream(nursery, accepted, url.netloc, url.path or "/")


@asynccontextmanager
async def wcs_client(
    url: str, *, established: bool = True, answers_pings: bool = False, **fields: Any
) -> AsyncIterator[WcsClient]:
    """A client, with an established session unless told otherwise; its sockets are closed at the end."""
    peers: list[MediaPeer] = []
    try:
        async with plain_nursery() as nursery:
            with trio.fail_after(PATIENCE):
                socket = await _connect(nursery, urlsplit(url))
            client = WcsClient(socket, nursery, peers, answers_pings=answers_pings)
            nursery.start_soon(client.read)
            try:
                if established:
                    await client.connect(**fields)
                yield client
                with trio.move_on_after(PATIENCE):
                    await socket.aclose()
            finally:
                # A client that is cancelled cannot say goodbye, for the task that reads the answer is cancelled too.
                # And trio-websocket leaves its client's socket open when the server was the one to close.
                with trio.CancelScope(shield=True):
                    await trio.aclose_forcefully(socket._stream)
                nursery.cancel_scope.cancel()
        if isinstance(socket._stream, trio.SSLStream):
            drop_references(socket._stream)
    finally:
        # Only now: a peer that still runs may be about to read.
        for peer in peers:
            peer.udp.close()
