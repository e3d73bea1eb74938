"""Files that are captured by the real process: what players of `vod:` names see, and when captures end."""

import io
from fractions import Fraction
from pathlib import Path

import av
import pytest
import trio
from attrs import evolve

from tests.support.capture.rtsp_source import RATE, SIZE, make_media
from tests.support.servers.full_server import FullServer, full_server
from tests.support.session.wcs_client import PATIENCE, ClientStream, WcsClient, wcs_client
from tests.support.webrtc.h264_peer import h264_peer, pictures, until_both

LARGER = (640, 360)


def write_changing(path: Path) -> None:
    """Video that has another size after a second, and parameter sets in the stream alone."""
    parts = [path.with_name("small.h264"), path.with_name("large.h264")]
    for part, size in zip(parts, (SIZE, LARGER), strict=True):
        make_media(part, audio=None, seconds=1, size=size)
    joined = io.BytesIO(b"".join(part.read_bytes() for part in parts))
    with av.open(joined, "r", format="h264") as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = (packet for packet in source.demux() if packet.size)
        for number, packet in enumerate(packets):
            packet.stream, packet.time_base = stream, Fraction(1, RATE)
            packet.pts = packet.dts = number
            target.mux(packet)


def write_headless(path: Path) -> None:
    """Video without its key frame, and sound."""
    whole = make_media(path.with_name("whole.mkv"), seconds=10, gop=1000)
    with av.open(str(whole.path)) as source, av.open(str(path), "w") as target:
        streams = {each.index: target.add_stream_from_template(each) for each in source.streams}
        for packet in source.demux():
            if packet.size and not (packet.stream.type == "video" and packet.is_keyframe):
                packet.stream = streams[packet.stream.index]
                target.mux(packet)


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    make_media(folder / "clip.mp4", audio="aac", seconds=2)
    make_media(folder / "short.mp4", seconds=3)
    make_media(folder / "reordered.mp4", audio=None, seconds=4, b_frames=2)
    write_changing(folder / "changing.ts")
    write_headless(folder / "headless.mkv")
    (folder / "no.mp4").write_bytes(b"this is no film" * 100)
    (folder / "out.mp4").symlink_to("/etc/passwd")
    return folder


async def captures(server: FullServer) -> int:
    return int((await server.statistics())["captures"])


async def until_over(server: FullServer) -> None:
    with trio.fail_after(PATIENCE):
        while await captures(server):  # noqa: ASYNC110 - the server tells no one
            await trio.sleep(0.05)


async def test_a_file_is_shared_by_its_players_and_ends_after_the_last(tmp_path: Path, media: Path) -> None:
    settings = {"capture_vod_folder": media, "capture_linger": 0.05, "vod_live_loop": True}
    async with full_server(tmp_path, **settings) as server, wcs_client(server.ws_url()) as client:
        one = await client.play("vod-live://clip.mp4", peer=h264_peer())
        two = await client.play("vod-live://clip.mp4", peer=h264_peer())
        for player in (one, two):
            await until_both(player)
        (stream,) = await server.streams(published=True)
        assert stream["sessionId"].startswith("capture-")
        assert (stream["appKey"], stream["mediaProvider"], stream["viewers"]) == ("defaultApp", "VOD", 2)
        await client.send("stopStream", {"mediaSessionId": one.id})
        await one.status("STOPPED")
        assert await captures(server) == 1
        await client.send("stopStream", {"mediaSessionId": two.id})
        await until_over(server)
        assert not await server.streams()


async def test_a_file_that_has_ended_ends_its_player(tmp_path: Path, media: Path) -> None:
    async with full_server(tmp_path, capture_vod_folder=media) as server, wcs_client(server.ws_url()) as client:
        player = await client.play("vod://short.mp4", peer=h264_peer())
        assert (await player.status("FAILED"))["info"] == "Stopped by publisher stop"
        assert pictures(player)
        await until_over(server)


REFUSED = {
    "vod://absent.mp4": "File not found",
    "vod://out.mp4": "File not found",
    "vod://no.mp4": "File has wrong format",
    "vod://reordered.mp4": "B-frames are not supported: set B-frames to 0 at the source",
    "vod://../clip.mp4": "Bad URI",
    "rtsp://127.0.0.1:9/cam": "Restricted access",
}


async def info_of_failure(client: WcsClient, name: str) -> str:
    peer = h264_peer()
    client.peers.append(peer)
    stream = await client.request("playStream", name, peer.play_offer())
    failed = await client.receive("notifyStreamStatusEvent", mediaSessionId=stream, status="FAILED")
    return str(failed["info"])


async def until_pictures(player: ClientStream) -> None:
    """Wait for two of them."""
    await player.peer.until(lambda: len({packet.timestamp for packet in pictures(player)}) > 1, within=PATIENCE)


async def test_what_cannot_be_played_fails_with_its_reason(tmp_path: Path, media: Path) -> None:
    async with full_server(tmp_path, capture_vod_folder=media) as server, wcs_client(server.ws_url()) as client:
        assert {name: await info_of_failure(client, name) for name in REFUSED} == REFUSED
        await until_over(server)
        server.live.replace(evolve(server.live.now, capture_transcode=True))
        await until_pictures(await client.play("vod://reordered.mp4", peer=h264_peer()))
        server.live.replace(evolve(server.live.now, capture_max_running=0))
        assert await info_of_failure(client, "vod://clip.mp4") == "Server is overloaded"


async def test_a_player_goes_on_when_the_size_of_the_picture_changes(tmp_path: Path, media: Path) -> None:
    settings = {"capture_vod_folder": media, "vod_live_loop": True}
    async with full_server(tmp_path, **settings) as server, wcs_client(server.ws_url()) as client:
        player = await client.play("vod-live://changing.ts", peer=h264_peer())
        await player.peer.until(lambda: len(parameter_sets(player)) > 1, within=PATIENCE)
        with trio.fail_after(PATIENCE):
            sizes: set[tuple[int, int]] = set()
            while sizes != {SIZE, LARGER}:
                (stream,) = await server.streams(published=True)
                sizes.add((stream["width"], stream["height"]))
        assert player.statuses == [("PLAYING", None)]


def parameter_sets(player: ClientStream) -> set[bytes]:
    """The different packets that hold parameter sets (STAP-A, RFC 6184 section 5.7.1)."""
    return {packet.payload[:16] for packet in pictures(player) if packet.payload[0] & 0x1F == 24}


async def test_without_any_key_frame_there_is_sound_alone(tmp_path: Path, media: Path) -> None:
    async with full_server(tmp_path, capture_vod_folder=media) as server, wcs_client(server.ws_url()) as client:
        player = await client.play("vod://headless.mkv", peer=h264_peer())
        await player.peer.until_received(20)
        assert not pictures(player), "no browser could show them"
        assert player.statuses == [("PLAYING", None)]
