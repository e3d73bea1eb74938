"""Publishes by WHIP and plays by WHEP: plain HTTP, and media peers.

async with whip_client(server) as client:
    publication = await client.publish("news")       # PUBLISHING, with media flowing
    playback = await client.play("news")             # connected
    await client.end(publication)
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import trio
from attrs import define, field

from tests.support.nurseries import plain_nursery
from tests.support.servers.full_server import FullServer
from tests.support.session.wcs_client import PATIENCE
from tests.support.webrtc.media_peer import MediaPeer, Received, vp8_key_frame

SDP = {"Content-Type": "application/sdp"}


@define(eq=False, kw_only=True)
class WhipStream:
    """What one POST has begun."""

    location: str
    peer: MediaPeer
    token: str | None
    sequence: int = field(init=False, default=1000)

    def send_key_frame(self, filler: bytes = b"") -> None:
        """Publish one VP8 key frame, in one packet."""
        self.sequence += 1
        self.peer.send(self.peer.rtp(self.sequence, vp8_key_frame(filler), marker=True, timestamp=self.sequence * 3000))

    async def until_media(self, content: bytes) -> None:
        """Wait for a packet that ends like this."""

        def has_come(packet: Received) -> bool:
            return packet.payload.endswith(content)

        await self.peer.until(lambda: any(map(has_come, self.peer.received)), within=PATIENCE)

    async def until_closed(self) -> None:
        """Wait for the server's close_notify."""
        with trio.fail_after(PATIENCE):
            await self.peer.closed.wait()


@define(eq=False)
class WhipClient:
    """One HTTP client and its media peers."""

    server: FullServer
    nursery: trio.Nursery
    http: httpx.AsyncClient
    peers: list[MediaPeer] = field(init=False, factory=list)

    async def post(
        self, path: str, offer: str | bytes, *, token: str | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """An offer."""
        return await self.http.post(path, content=offer, headers=SDP | bearer(token) | (headers or {}))

    async def begin(self, path: str, *, published: bool, token: str | None = None) -> WhipStream:
        """Begin a stream, until its media is connected."""
        peer = MediaPeer(check_interval=0.05)
        self.peers.append(peer)
        answer = await self.post(path, peer.publish_offer() if published else peer.play_offer(), token=token)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        assert answer.headers["content-type"] == "application/sdp"
        peer.accept(answer.text)
        self.nursery.start_soon(peer.run)
        with trio.fail_after(PATIENCE):
            await peer.connected.wait()
        return WhipStream(location=answer.headers["location"], peer=peer, token=token)

    async def publish(self, name: str, **fields: Any) -> WhipStream:
        """Publish until the stream is known as PUBLISHING."""
        stream = await self.begin(f"/whip/{name}", published=True, **fields)
        stream.send_key_frame()
        with trio.fail_after(PATIENCE):
            while not await self.server.streams(published=True, status="PUBLISHING"):  # noqa: ASYNC110 - nobody tells
                await trio.sleep(0.02)
        return stream

    async def play(self, name: str, **fields: Any) -> WhipStream:
        """Play until media can flow."""
        return await self.begin(f"/whep/{name}", published=False, **fields)

    async def end(self, stream: WhipStream) -> httpx.Response:
        """DELETE what a POST has begun."""
        return await self.http.delete(stream.location, headers=bearer(stream.token))


def bearer(token: str | None) -> dict[str, str]:
    """The header of a token."""
    return {} if token is None else {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def whip_client(server: FullServer, http: httpx.AsyncClient | None = None) -> AsyncIterator[WhipClient]:
    """A client, of the REST listeners unless `http` is another; its peers vanish at the end."""
    async with plain_nursery() as nursery:
        client = WhipClient(server, nursery, http or server.rest)
        yield client
        nursery.cancel_scope.cancel()
    for peer in client.peers:
        peer.udp.close()
