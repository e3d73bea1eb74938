"""Cameras that are captured by the real process, from a real RTSP server: REST, players, and what becomes of both."""

import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

import pytest
import trio

from protocol.capture.rules import read_rules
from tests.support.capture.rtsp_source import Camera, MediaFile, make_media, rtsp_source
from tests.support.network.ports import unused_port
from tests.support.servers.full_server import FullServer, full_server
from tests.support.session.wcs_client import PATIENCE, wcs_client
from tests.support.webrtc.h264_peer import h264_peer, pictures, until_both

SECRET = "s3cret"


async def post(server: FullServer, method: str, **fields: object) -> int:
    answer = await server.rest.post(f"/rest-api/{method}", json=fields)
    return answer.status_code


async def agents(server: FullServer) -> list[dict[str, str]]:
    answer = await server.rest.get("/rest-api/rtsp/find_all")
    found: list[dict[str, str]] = [] if answer.status_code == HTTPStatus.NOT_FOUND else answer.json()
    return found


async def test_an_operator_has_a_camera_captured(
    tmp_path: Path, h264: MediaFile, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"rtsp_interleaved_mode": False}  # by UDP
    async with full_server(tmp_path, **settings) as server, wcs_client(server.ws_url()) as client:
        with rtsp_source(h264, user="admin", password=SECRET, digest=True) as camera:
            assert await post(server, "rtsp/startup", uri=camera.url, toStream="lobby") == HTTPStatus.OK
            assert await post(server, "rtsp/startup", uri=camera.url) == HTTPStatus.CONFLICT
            assert await agents(server) == [{"uri": camera.url, "status": "PLAYING", "toStream": "lobby"}]

            by_name, by_uri = (
                await client.play("lobby", peer=h264_peer()),
                await client.play(camera.url, peer=h264_peer()),
            )
            await until_both(by_name)
            await until_both(by_uri)
            (stream,) = await server.streams(published=True)
            assert (stream["name"], stream["mediaProvider"], stream["viewers"]) == ("lobby", "RTSP", 2)
            assert (stream["width"], stream["height"], stream["videoCodec"]) == (320, 180, "H264")

            assert await post(server, "rtsp/terminate", uri=camera.url) == HTTPStatus.OK
            for player in (by_name, by_uri):
                assert (await player.status("FAILED"))["info"] == "Stopped by publisher stop"
            assert not await agents(server)
            assert await post(server, "rtsp/terminate", uri=camera.url) == HTTPStatus.NOT_FOUND
            assert "request found nothing" in [record.getMessage() for record in caplog.records]
    assert SECRET not in caplog.text


async def test_a_drain_does_not_wait_for_what_nobody_plays(tmp_path: Path, camera: Camera) -> None:
    async with full_server(tmp_path, capture_linger=0.05) as server:
        assert await post(server, "rtsp/startup", uri=camera.url) == HTTPStatus.OK
        server.server.parts.drain.begin(math.inf, by="test")
        with trio.fail_after(PATIENCE):
            await server.server.until_closing()


async def test_a_camera_that_comes_back_is_captured_again_and_its_player_goes_on(
    tmp_path: Path, h264: MediaFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.workers.capturing.source_feed.FIRST_PAUSE", 0.05)
    async with full_server(tmp_path) as server, wcs_client(server.ws_url()) as client:
        with rtsp_source(h264, port=unused_port()) as camera:
            await post(server, "rtsp/startup", uri=camera.url, toStream="lobby")
            player = await client.play("lobby", peer=h264_peer())
            await until_both(player)
        with rtsp_source(h264, port=camera.port):
            before = len(pictures(player))
            await player.peer.until(lambda: len(pictures(player)) > before + 20, within=2 * PATIENCE)
            numbers = [packet.sequence for packet in pictures(player)]
            assert numbers == [number & 0xFFFF for number in range(numbers[0], numbers[0] + len(numbers))]
            assert [agent["status"] for agent in await agents(server)] == ["PLAYING"]
            assert player.statuses == [("PLAYING", None)]
            assert int((await server.statistics())["captures_reconnects"]) >= 1


async def test_a_source_that_cannot_be_captured_says_why(tmp_path: Path, locked_camera: Camera) -> None:
    hevc = make_media(tmp_path / "hevc.mkv", video="hevc", audio=None, seconds=2)
    async with full_server(tmp_path, capture_connect_timeout=60) as server:
        with rtsp_source(hevc) as camera:
            expected = {
                camera.url: "H265 is not supported: set the source to H264 (h265)",
                camera.at("/absent"): "Rtsp stream not found (not-found)",
                locked_camera.at("/cam", "admin:wrong@"): "Failed to connect to rtsp stream (unauthorized)",
                "rtsp://127.0.0.1:9/cam": "Failed to connect to rtsp stream (unreachable)",
            }
            found = {}

            async def ask(uri: str) -> None:
                answer = await server.rest.post("/rest-api/rtsp/startup", json={"uri": uri})
                assert answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
                found[uri] = answer.json()["reason"]

            async with trio.open_nursery() as nursery:
                for uri in expected:
                    nursery.start_soon(ask, uri)
            assert found == expected
        assert not await agents(server)


async def test_a_page_has_an_allowed_camera_captured_through_the_server_alone(tmp_path: Path, camera: Camera) -> None:
    settings = {"capture_allow": read_rules(["127.0.0.1"]), "capture_linger": 0.05}
    async with full_server(tmp_path, **settings) as server, wcs_client(server.ws_url()) as client:
        player = await client.play(camera.url, peer=h264_peer())
        await until_both(player)
        assert [agent["uri"] for agent in await agents(server)] == [camera.url]
        await client.send("stopStream", {"mediaSessionId": player.id})
        await player.status("STOPPED")
        peer = h264_peer()
        client.peers.append(peer)
        stream = await client.request("playStream", "rtsp://127.0.0.2/cam", peer.play_offer())
        failed = await client.receive("notifyStreamStatusEvent", mediaSessionId=stream, status="FAILED")
        assert failed["info"] == "Restricted access"


def redirecting(target: str) -> Callable[[trio.SocketStream], Awaitable[None]]:
    """An RTSP server that sends everybody elsewhere (RFC 2326 section 11.2)."""

    async def serve(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            while request := (await stream.receive_some(4096)).decode():
                number = next(line for line in request.splitlines() if line.startswith("CSeq"))
                is_first = request.startswith("OPTIONS")
                head = "200 OK" if is_first else f"302 Found\r\nLocation: {target}"
                await stream.send_all(f"RTSP/1.0 {head}\r\n{number}\r\n\r\n".encode())

    return serve


async def test_an_operators_camera_may_redirect(tmp_path: Path, camera: Camera) -> None:
    async with full_server(tmp_path) as server, wcs_client(server.ws_url()) as client:
        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, redirecting(camera.url), [listener])
            uri = f"rtsp://127.0.0.1:{listener.socket.getsockname()[1]}/cam"
            assert await post(server, "rtsp/startup", uri=uri, toStream="lobby") == HTTPStatus.OK
            await until_both(await client.play("lobby", peer=h264_peer()))
            assert await agents(server) == [{"uri": uri, "status": "PLAYING", "toStream": "lobby"}]
            nursery.cancel_scope.cancel()
