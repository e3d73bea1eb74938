"""Media by TCP over a link that carries half of what the stream needs: the viewer sees the present, in parts."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import trio

from protocol.webrtc.stun import Address
from tests.support.media.media_rig import Published, Rig, media_rig
from tests.support.webrtc.media_peer import MediaPeer, vp8_delta, vp8_key_frame

LIMIT = 60.0
LINK = 60_000
"""Bytes per second that the link carries."""
PACKET, PARTS, PAUSE = 1000, 4, 0.033
"""A picture is so many packets of so many bytes; seconds between two of them."""
RESTARTS = 3


@asynccontextmanager
async def shaped(server: Address) -> AsyncIterator[Address]:
    """A link to the server, as slow as LINK towards its client, that holds very little."""

    async def up(client: trio.SocketStream, there: trio.SocketStream) -> None:
        async for data in client:
            await there.send_all(data)

    async def down(there: trio.SocketStream, client: trio.SocketStream) -> None:
        while data := await there.receive_some(PACKET):
            await client.send_all(data)
            await trio.sleep(len(data) / LINK)

    async def serve(client: trio.SocketStream) -> None:
        opened = trio.socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await opened.connect(server)
        with suppress(trio.BrokenResourceError):
            async with trio.SocketStream(opened) as there, trio.open_nursery() as both:
                both.start_soon(up, client, there)
                both.start_soon(down, there, client)

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await nursery.start(trio.serve_listeners, serve, [listener])
        yield listener.socket.getsockname()[:2]
        nursery.cancel_scope.cancel()


class Film:
    """What is published: pictures with their numbers, and a key frame whenever one is asked for."""

    def __init__(self, published: Published) -> None:
        self.peer = published.peer
        self.number = self._sequence = self._answered = 0

    def shoot(self) -> None:
        is_key = self.peer.key_frame_requests > self._answered or not self.number
        self._answered = self.peer.key_frame_requests
        self.number += 1
        for part in range(PARTS):
            self._sequence += 1
            content = bytes(PACKET - 4) + self.number.to_bytes(4, "big")
            payload = vp8_key_frame(content) if is_key and part == 0 else vp8_delta(content)
            is_last = part == PARTS - 1
            self.peer.send(self.peer.rtp(self._sequence, payload, marker=is_last, timestamp=self.number * 3000))


def seen(peer: MediaPeer) -> list[tuple[int, bool]]:
    """The pictures of which something has come: their numbers, and whether they are key frames."""
    found: dict[int, bool] = {}
    for packet in peer.received:
        number = int.from_bytes(packet.payload[-4:], "big")
        found[number] = found.get(number, False) or not packet.payload[1] & 1
    return list(found.items())


async def join(rig: Rig, published: Published, through: Address) -> MediaPeer:
    """A viewer by TCP, over this link."""
    viewer = await rig.play(published.publication, over_tcp=True, audio=False, connect=False)
    viewer.peer.server = through
    await rig._connect(viewer.peer, viewer.facts, connect=True)
    return viewer.peer


async def test_a_viewer_on_a_link_that_is_too_slow_sees_the_present_from_key_frames_on() -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        film = Film(published)
        (server,) = rig.plane._services.port.tcp_candidates
        async with shaped(server) as link:
            viewer = await join(rig, published, link)
            with trio.fail_after(LIMIT):
                while rig.plane.statistics().tcp_restarts < RESTARTS:
                    film.shoot()
                    await trio.sleep(PAUSE)
                last = film.number
                while not any(number > last for number, _ in seen(viewer)):
                    film.shoot()
                    await trio.sleep(PAUSE)
        pictures = seen(viewer)
        resumed = [
            is_key for (number, is_key), (before, _) in zip(pictures[1:], pictures, strict=False) if number > before + 1
        ]
        assert len(resumed) >= RESTARTS - 1
        assert all(resumed), "it goes on from key frames"
        assert len(pictures) < film.number
        assert viewer.undecryptable == 0
