"""Other sources than cameras, and sources that behave badly: RTMP, HLS, names of sources; garbage, hangs, crashes."""

import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from http import HTTPStatus
from pathlib import Path

import av
import pytest
import trio

from config.apps import App, AppTable, default_table
from config.tables.apps_file import write_apps
from protocol.capture.rules import read_rules
from tests.support.capture.rtsp_source import make_media
from tests.support.hooks.backend import ScriptedBackend, open_backend
from tests.support.hooks.behaviours import deny
from tests.support.servers.full_server import FullServer, full_server
from tests.support.session.wcs_client import PATIENCE, WcsClient, wcs_client
from tests.support.webrtc.h264_peer import h264_peer, pictures, until_both
from tests.support.workers.rtmp_server import rtmp_server

LINGER = {"capture_linger": 0.05}


@asynccontextmanager
async def web_of(folder: Path) -> AsyncIterator[str]:
    """The address of a web server that has the files of a folder."""

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            with suppress(trio.BrokenResourceError):  # who has seen enough leaves
                if request := await stream.receive_some(4096):
                    body = (folder / request.split(b" ")[1].decode().lstrip("/")).read_bytes()
                    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
                    await stream.send_all(head % len(body) + body)

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await nursery.start(trio.serve_listeners, serve, [listener])
        yield f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


async def test_hls_is_played_by_its_address_and_recorded(tmp_path: Path) -> None:
    make_media(tmp_path / "live.m3u8", audio="aac", seconds=10)
    settings = {"capture_allow": read_rules(["127.0.0.1"]), "record_rtsp_streams": True, "records_min_free": 0}
    async with full_server(tmp_path, **settings) as server, wcs_client(server.ws_url()) as client:
        async with web_of(tmp_path) as url:
            player = await client.play(f"{url}/live.m3u8", peer=h264_peer())
            await until_both(player)
            (stream,) = await server.streams(published=True)
            assert (stream["mediaProvider"], stream["audioCodec"], stream["record"]) == ("HLS", "OPUS", True)
            (recording,) = server.server.parts.recordings
            with trio.fail_after(PATIENCE):
                await recording.writing.wait()
    (file,) = (tmp_path / "state" / "records").iterdir()
    with av.open(str(file)) as recorded:
        assert {each.type for each in recorded.streams} == {"audio", "video"}


def push(file: Path, url: str, stopped: threading.Event) -> None:
    """Publish a file by RTMP, at the speed at which it plays."""
    with av.open(str(file)) as source, av.open(url, "w", format="flv", timeout=20) as target:
        streams = {each.index: target.add_stream_from_template(each) for each in source.streams}
        began = time.monotonic()
        for packet in source.demux():
            if packet.dts is None or packet.time_base is None:
                continue
            if stopped.wait(max(0.0, float(packet.dts * packet.time_base) - (time.monotonic() - began))):
                return
            packet.stream = streams[packet.stream.index]
            target.mux(packet)


@contextmanager
def pushed(file: Path, url: str) -> Iterator[None]:
    stopped = threading.Event()
    thread = threading.Thread(target=push, args=(file, url, stopped))
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


async def test_rtmp_is_pulled_for_the_operator(tmp_path: Path) -> None:
    media = make_media(tmp_path / "news.mp4", audio="aac", seconds=30, gop=10)
    async with full_server(tmp_path) as server, wcs_client(server.ws_url()) as client:
        with rtmp_server(tmp_path) as source, pushed(media.path, f"{source.url}/news"):
            uri = f"{source.url}/news"
            answer = await server.rest.post("/rest-api/pull/rtmp/pull", json={"uri": uri, "localStreamName": "one"})
            assert answer.status_code == HTTPStatus.OK, answer.text
            await until_both(await client.play("one", peer=h264_peer()))
            (pulled,) = (await server.rest.get("/rest-api/pull/rtmp/find_all")).json()
            assert (pulled["uri"], pulled["localStreamName"], pulled["status"]) == (uri, "one", "PROCESSED_REMOTE")
            assert (pulled["hasAudio"], pulled["hasVideo"]) == (True, True)
            assert (await server.rest.get("/rest-api/rtsp/find_all")).status_code == HTTPStatus.NOT_FOUND
            ended = await server.rest.post("/rest-api/pull/rtmp/terminate", json={"uri": uri})
            assert ended.status_code == HTTPStatus.OK


async def add_source(server: FullServer, name: str, uri: str) -> None:
    answer = await server.rest.post("/rest-api/source/add", json={"name": name, "uri": uri})
    assert answer.is_success, answer.text


async def test_pages_play_the_name_of_a_source_and_do_not_learn_its_address(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    make_media(tmp_path / "media" / "clip.mp4", seconds=2)
    settings = {"capture_vod_folder": tmp_path / "media", "vod_live_loop": True, **LINGER}
    async with full_server(tmp_path, **settings) as server, wcs_client(server.ws_url()) as client:
        await add_source(server, "lobby", "vod-live://clip.mp4")
        player = await client.play("lobby", peer=h264_peer())
        await until_both(player)
        assert [each["name"] for each in await server.streams(published=True)] == ["lobby"]
        assert "clip.mp4" not in str(client.frames)
        assert await info_of_publishing(client, "lobby") == "Stream name is already in use"
        assert (await server.terminate(name="lobby", published=True)).is_success
        assert (await player.status("FAILED"))["info"] == "Stopped by publisher stop"


async def test_players_who_come_together_share_the_next_source_of_a_name(tmp_path: Path) -> None:
    for name in ("one.mp4", "two.mp4"):
        make_media(tmp_path / name, seconds=1)
    settings = {"capture_vod_folder": tmp_path, "capture_max_running": 1, "vod_live_loop": True}
    async with full_server(tmp_path, **settings) as server:
        captures, found = server.server.parts.captures, []

        async def play() -> None:
            found.append(await captures.capture("lobby", by_operator=False))

        await add_source(server, "lobby", "vod-live://one.mp4")
        await play()
        new = {"name": "lobby", "uri": "vod-live://two.mp4"}
        assert (await server.rest.post("/rest-api/source/update", json=new)).is_success
        async with trio.open_nursery() as nursery:
            nursery.start_soon(play)
            nursery.start_soon(play)
        former, *others = found
        assert former.is_over
        assert others[0] is others[1]


async def info_of_publishing(client: WcsClient, name: str) -> str:
    peer = h264_peer()
    client.peers.append(peer)
    stream = await client.request("publishStream", name, peer.publish_offer())
    return str((await client.receive("notifyStreamStatusEvent", mediaSessionId=stream, status="FAILED"))["info"])


async def test_a_process_that_is_killed_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.workers.capturing.source_feed.FIRST_PAUSE", 0.05)
    make_media(tmp_path / "clip.mp4", seconds=1)
    settings = {"capture_vod_folder": tmp_path, "vod_live_loop": True, **LINGER}
    async with full_server(tmp_path, **settings) as server, wcs_client(server.ws_url()) as client:
        player = await client.play("vod-live://clip.mp4", peer=h264_peer())
        await until_both(player)
        (capture,) = server.server.parts.captures._captures
        assert capture._feed is not None
        assert capture._feed._worker is not None
        assert capture._feed._worker.pid is not None
        os.kill(capture._feed._worker.pid, signal.SIGKILL)
        before = len(pictures(player))
        await player.peer.until(lambda: len(pictures(player)) > before + 20, within=2 * PATIENCE)
        numbers = [packet.sequence for packet in pictures(player)]
        assert numbers == [number & 0xFFFF for number in range(numbers[0], numbers[0] + len(numbers))]
        assert player.statuses == [("PLAYING", None)]


def write_camera_app(folder: Path, backend: ScriptedBackend) -> None:
    """An application for captures alone; pages have the usual one."""
    state = folder / "state"
    state.mkdir(mode=0o700)
    methods = frozenset({"StreamStatusEvent", "StreamKeepAliveEvent"})
    cameras = App(name="cameras", key="cameras", url=backend.url, methods=methods)
    (state / "apps.toml").write_text(write_apps(AppTable((*default_table().apps, cameras))))


async def test_the_backend_of_captures_hears_of_them_and_ends_them(tmp_path: Path) -> None:
    make_media(tmp_path / "clip.mp4", seconds=2)
    settings = {
        "capture_vod_folder": tmp_path,
        "capture_app": "cameras",
        "vod_live_loop": True,
        "keep_alive_streaming_sessions_enabled": True,
        "streaming_sessions_keep_alive_app_keys": ("cameras",),
        "streaming_sessions_keep_alive_interval": 0.1,
    }
    async with open_backend() as backend:
        write_camera_app(tmp_path, backend)
        async with full_server(tmp_path, **settings) as server, wcs_client(server.ws_url()) as client:
            player = await client.play("vod-live://clip.mp4", peer=h264_peer())
            (began,) = await backend.wait_for("StreamStatusEvent")
            assert began.body["status"] == "PUBLISHING"
            assert (began.body["name"], began.body["appKey"]) == ("vod-live://clip.mp4", "cameras")
            assert began.body["sessionId"].startswith("capture-")
            backend.script("StreamKeepAliveEvent", deny())
            assert (await player.status("FAILED"))["info"] == "Stopped by publisher stop"
            *_, ended = await backend.wait_for("StreamStatusEvent", count=2)
            assert ended.body["status"] == "FAILED"


async def garbage(stream: trio.SocketStream) -> None:
    with suppress(trio.BrokenResourceError):
        await stream.receive_some(4096)
        await stream.send_all(bytes(range(256)) * 40)
    await stream.aclose()


async def silence(stream: trio.SocketStream) -> None:
    with suppress(trio.BrokenResourceError):
        while await stream.receive_some(4096):
            pass


@pytest.mark.parametrize(("behave", "why"), [(garbage, None), (silence, "(silent)")])
async def test_a_source_that_talks_nonsense_or_is_silent_is_given_up(
    tmp_path: Path, behave: Callable[[trio.SocketStream], Awaitable[None]], why: str | None
) -> None:
    async with full_server(tmp_path, capture_connect_timeout=0.5) as server, trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, behave, [listener])
        uri = f"rtsp://127.0.0.1:{listener.socket.getsockname()[1]}/cam"
        answer = await server.rest.post("/rest-api/rtsp/startup", json={"uri": uri})
        assert answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
        assert why is None or why in answer.json()["reason"]
        nursery.cancel_scope.cancel()
