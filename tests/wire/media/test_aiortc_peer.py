"""A second WebRTC implementation, aiortc, publishes and plays: its own ICE, DTLS, SRTP, RTCP and codecs."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TypeVar

import pytest
import trio
from aiortc import MediaStreamError, MediaStreamTrack, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from av import AudioFrame, VideoFrame

from tests.support.network import plain_http
from tests.support.network.nat import Nat
from tests.support.servers.server_process import ServerProcess, running_server
from tests.support.session.wcs_client import WcsClient, wcs_client

T = TypeVar("T")

PATIENCE = 30.0
WIDTH, HEIGHT, BRIGHTNESS = 160, 120, 180


class PaintedVideo(VideoStreamTrack):
    """Pictures of one brightness."""

    async def recv(self) -> VideoFrame:
        frame = VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for plane, value in zip(frame.planes, (BRIGHTNESS, 128, 128), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.pts, frame.time_base = await self.next_timestamp()
        return frame


class Hum(AudioStreamTrack):
    """A square wave."""

    async def recv(self) -> AudioFrame:
        frame = await super().recv()
        assert isinstance(frame, AudioFrame)
        period = (b"\x00\x20" * 20) + (b"\x00\xe0" * 20)
        for plane in frame.planes:
            plane.update((period * (plane.buffer_size // len(period) + 1))[: plane.buffer_size])
        return frame


class ForeignPeer:
    """A peer connection of aiortc. Its methods are asyncio's."""

    def __init__(self) -> None:
        self.connection = RTCPeerConnection()
        self.tracks: dict[str, MediaStreamTrack] = {}
        self.connection.on("track", self._note)

    def _note(self, track: MediaStreamTrack) -> None:
        self.tracks[track.kind] = track

    async def offer_to_publish(self, codec: str) -> str:
        """An offer of sound and pictures in one codec."""
        self.connection.addTransceiver(Hum(), direction="sendonly")
        video = self.connection.addTransceiver(PaintedVideo(), direction="sendonly")
        codecs = RTCRtpSender.getCapabilities("video").codecs
        video.setCodecPreferences([one for one in codecs if one.name in (codec, "rtx")])
        return await self._offer()

    async def offer_to_play(self) -> str:
        """An offer to take sound and pictures, in any codec."""
        for kind in ("audio", "video"):
            self.connection.addTransceiver(kind, direction="recvonly")
        return await self._offer()

    async def _offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return str(self.connection.localDescription.sdp)

    async def accept(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))

    async def pictures(self, count: int) -> list[VideoFrame]:
        """The next decoded pictures."""
        frames = [await self.tracks["video"].recv() for _ in range(count)]
        return [frame for frame in frames if isinstance(frame, VideoFrame)]

    async def loudness(self) -> int:
        """The loudest sample of the next second of decoded sound."""
        frames = [await self.tracks["audio"].recv() for _ in range(50)]
        sounds = [bytes(frame.planes[0]) for frame in frames if isinstance(frame, AudioFrame)]
        return max(abs(sample) for sound in sounds for sample in memoryview(sound).cast("h"))

    async def until_closed(self) -> None:
        """Wait until the other side has closed the transport: the track ends."""
        with suppress(MediaStreamError):
            while True:
                await self.tracks["video"].recv()

    async def close(self) -> None:
        await self.connection.close()


@pytest.fixture(scope="module")
def lasting_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(tmp_path_factory.mktemp("server"), {"log.level": "debug"}) as server:
        yield server


@pytest.fixture
def server(lasting_server: ServerProcess) -> Iterator[ServerProcess]:
    """The module's server; at the end of the test it must be empty."""
    yield lasting_server
    lasting_server.wait_until_empty()


class AsyncioThread:
    """An asyncio loop in a thread of its own, which is where aiortc lives."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()

    async def run(self, work: Coroutine[None, None, T]) -> T:
        """Run a coroutine of asyncio from trio, for no longer than `PATIENCE`."""
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        return await trio.to_thread.run_sync(future.result, PATIENCE)

    @asynccontextmanager
    async def peer(self) -> AsyncIterator[ForeignPeer]:
        """A peer connection, closed at the end."""

        async def make() -> ForeignPeer:
            return ForeignPeer()

        peer = await self.run(make())
        try:
            yield peer
        finally:
            with trio.CancelScope(shield=True):
                await self.run(peer.close())

    def serve(self) -> None:
        """Run the loop until `stop`, and then what is left in it."""
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.get_loop().run_forever()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)


@pytest.fixture(scope="module")
def aio() -> Iterator[AsyncioThread]:
    """The other world."""
    aio = AsyncioThread()
    thread = Thread(target=aio.serve, name="asyncio")
    thread.start()
    yield aio
    aio.stop()
    thread.join()


async def publish(
    aio: AsyncioThread, client: WcsClient, peer: ForeignPeer, name: str, codec: str, *, setup: str = "actpass"
) -> str:
    """Publish until PUBLISHING; the media session's id. `setup` is the DTLS role that is offered."""
    offer = (await aio.run(peer.offer_to_publish(codec))).replace("a=setup:actpass", f"a=setup:{setup}")
    return await _start(aio, client, peer, "publishStream", name, offer, until="PUBLISHING")


async def play(aio: AsyncioThread, client: WcsClient, peer: ForeignPeer, name: str, *, setup: str = "actpass") -> str:
    """Play until PLAYING; the media session's id. `setup` is the DTLS role that is offered."""
    offer = (await aio.run(peer.offer_to_play())).replace("a=setup:actpass", f"a=setup:{setup}")
    return await _start(aio, client, peer, "playStream", name, offer, until="PLAYING")


async def _start(
    aio: AsyncioThread, client: WcsClient, peer: ForeignPeer, message: str, name: str, offer: str, *, until: str
) -> str:
    media_session_id = await client.request(message, name, offer)
    answer = await client.receive("setRemoteSDP", mediaSessionId=media_session_id)
    await aio.run(peer.accept(answer["sdp"]))
    await client.receive("notifyStreamStatusEvent", mediaSessionId=media_session_id, status=until)
    return media_session_id


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_aiortc_plays_what_aiortc_publishes(server: ServerProcess, aio: AsyncioThread, codec: str) -> None:
    async with wcs_client(server.ws_url()) as client, aio.peer() as publisher, aio.peer() as player:
        await publish(aio, client, publisher, "news", codec)
        await play(aio, client, player, "news")

        pictures = await aio.run(player.pictures(20))

        assert {(picture.width, picture.height) for picture in pictures} == {(WIDTH, HEIGHT)}
        assert abs(bytes(pictures[-1].planes[0])[WIDTH // 2] - BRIGHTNESS) < 10
        assert await aio.run(player.loudness()) > 1000


async def test_aiortc_may_offer_to_be_the_dtls_server(server: ServerProcess, aio: AsyncioThread) -> None:
    async with wcs_client(server.ws_url()) as client, aio.peer() as publisher, aio.peer() as player:
        await publish(aio, client, publisher, "news", "VP8", setup="passive")
        await play(aio, client, player, "news", setup="passive")
        assert await aio.run(player.pictures(5))
        assert all("a=setup:active" in frame["sdp"] for frame in client.of("setRemoteSDP"))


async def test_a_late_player_of_aiortc_gets_a_key_frame(server: ServerProcess, aio: AsyncioThread) -> None:
    async with wcs_client(server.ws_url()) as client:
        async with aio.peer() as publisher, aio.peer() as early, aio.peer() as late:
            await publish(aio, client, publisher, "news", "VP8")
            await play(aio, client, early, "news")
            assert await aio.run(early.pictures(10))
            await play(aio, client, late, "news")
            assert await aio.run(late.pictures(10))


async def test_a_terminate_closes_the_transports_of_aiortc(server: ServerProcess, aio: AsyncioThread) -> None:
    async with wcs_client(server.ws_url()) as client, aio.peer() as publisher, aio.peer() as player:
        publication = await publish(aio, client, publisher, "news", "VP8")
        playback = await play(aio, client, player, "news")

        answer = await trio.to_thread.run_sync(server.terminate, {"name": "news", "published": True})

        assert answer.is_success
        await aio.run(player.until_closed())
        assert await _info_of_failure(client, publication) == "Stopped by rest /terminate"
        assert await _info_of_failure(client, playback) == "Stopped by publisher stop"


async def test_aiortc_that_leaves_ends_its_stream(server: ServerProcess, aio: AsyncioThread) -> None:
    async with wcs_client(server.ws_url()) as client, aio.peer() as publisher, aio.peer() as player:
        publication = await publish(aio, client, publisher, "news", "VP8")
        playback = await play(aio, client, player, "news")

        await aio.run(publisher.close())

        assert await _info_of_failure(client, publication)
        assert await _info_of_failure(client, playback) == "Stopped by publisher stop"


async def test_aiortc_behind_a_nat_that_gives_it_another_port(
    tmp_path: Path, aio: AsyncioThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aioice.ice.CONSENT_INTERVAL", 0.5)  # its 5 s are long to wait for, twice
    monkeypatch.setattr("aioice.ice.CONSENT_FAILURES", 60)  # as long as otherwise
    inside, outside = "127.0.0.2", "127.0.0.1"
    with running_server(tmp_path, {"ip": f"{inside}/{outside}"}) as server:
        nat = Nat((inside, server.media_port), server=(outside, server.media_port), outside=outside)
        async with trio.open_nursery() as nursery, wcs_client(server.ws_url()) as client:
            nursery.start_soon(nat.run)
            async with aio.peer() as publisher, aio.peer() as player:
                await publish(aio, client, publisher, "news", "VP8")
                await play(aio, client, player, "news")
                assert await aio.run(player.pictures(10))
                nat.rebind()
                await _until_moved(server, 2)
                assert await aio.run(player.pictures(15))
            assert "FAILED" not in [frame["status"] for frame in client.of("notifyStreamStatusEvent")]
            nursery.cancel_scope.cancel()


async def _until_moved(server: ServerProcess, count: int) -> None:
    """Wait until the media of so many peers goes on by another path."""

    def moved() -> bool:
        figures = plain_http.get(server.http_url("/?action=stat")).text
        return f"\nmoved={count}\n" in figures

    await trio.to_thread.run_sync(partial(server.wait_until, moved, what="media goes on by other paths"))


async def _info_of_failure(client: WcsClient, media_session_id: str) -> str:
    frame = await client.receive("notifyStreamStatusEvent", mediaSessionId=media_session_id, status="FAILED")
    return str(frame["info"])
