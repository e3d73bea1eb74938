"""What a page can do by the names that it plays: hostile ones reach nothing, and those of sources tell no secret."""

import json
import os
import socket
import sys
from http import HTTPStatus
from pathlib import Path

import pytest
import trio
from attrs import evolve

from actors.runtime.logs import TextLines
from actors.workers.capturing.processor_share import ProcessorShare
from protocol.capture.rules import read_rules
from tests.support.capture.hostile_uris import MALFORMED, NO_SOURCE, OUT_OF_REACH
from tests.support.capture.rtsp_source import Camera, make_media
from tests.support.operator.operator_console import ROOT
from tests.support.servers.full_server import full_server
from tests.support.session.wcs_client import WcsClient, wcs_client
from tests.support.webrtc.h264_peer import h264_peer, until_both

SECRET = "s3cret"
HOSTILE = [*MALFORMED, *NO_SOURCE, *OUT_OF_REACH]


async def info_of_failure(client: WcsClient, name: str) -> str:
    peer = h264_peer()
    client.peers.append(peer)
    stream = await client.request("playStream", name, peer.play_offer())
    return str((await client.receive("notifyStreamStatusEvent", mediaSessionId=stream, status="FAILED"))["info"])


async def test_no_hostile_name_is_captured_even_where_everything_is_allowed(tmp_path: Path) -> None:
    reached: list[bytes] = []

    async def note(stream: trio.SocketStream) -> None:
        reached.append(bytes(await stream.receive_some(4096)))

    settings = {"capture_allow": read_rules(["*", "0.0.0.0/0", "::/0"]), "max_streams_per_session": 1000}
    async with full_server(tmp_path, **settings) as server, trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, note, listeners)
        async with wcs_client(server.ws_url()) as client:
            own = [
                f"{scheme}://127.0.0.1:{port}/x.m3u8" for scheme in ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https")
            ]
            own += [f"http://localhost:{port}/x.m3u8", f"rtsp://localhost:{port}/x"]
            told = {name: await info_of_failure(client, name) for name in (*HOSTILE, *own)}
        statistics = await server.statistics()
        nursery.cancel_scope.cancel()
    assert {told[name] for name in own} == {"Restricted access"}
    assert {told[name] for name in MALFORMED} <= {"Bad URI"}
    assert int(statistics["captures_started"]) == 0
    assert int(statistics["captures_denied"]) >= len(OUT_OF_REACH)
    assert not reached


async def test_what_pages_may_name_is_changed_in_a_running_server(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server, wcs_client(server.ws_url()) as client:
        assert await info_of_failure(client, "rtsp://127.0.0.1:9/x") == "Restricted access"
        server.live.replace(evolve(server.live.now, capture_allow=read_rules(["127.0.0.1"])))
        assert await info_of_failure(client, "rtsp://127.0.0.1:9/x") == "Failed to connect to rtsp stream"
        assert int((await server.statistics())["captures_denied"]) == 1


async def permits_isolation() -> bool:
    """Whether a process may have namespaces of its own on this system."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        job = {"channel": theirs.fileno(), "ports": [554], "uris": []}
        done = await trio.run_process(
            [sys.executable, "-P", "-m", "tests.support.capture.isolated_opener"],
            stdin=json.dumps(job).encode() + b"\n",
            capture_stdout=True,
            pass_fds=[theirs.fileno()],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    return done.stdout == b""


async def test_a_host_that_must_be_looked_up_is_reached_through_the_server_or_not_at_all(
    tmp_path: Path, camera: Camera
) -> None:
    async with full_server(tmp_path, capture_allow=read_rules(["localhost", "127.0.0.1"])) as server:
        async with wcs_client(server.ws_url()) as client:
            name = camera.url.replace("127.0.0.1", "localhost")
            if await permits_isolation():
                await until_both(await client.play(name, peer=h264_peer()))
            else:
                assert await info_of_failure(client, name) == "Restricted access"


async def test_a_camera_with_a_name_keeps_its_uri_to_itself(
    tmp_path: Path, locked_camera: Camera, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="wcsd")
    async with full_server(tmp_path, capture_linger=0.05) as server, wcs_client(server.ws_url()) as client:
        shown = locked_camera.url.replace(f"admin:{SECRET}", "***")
        assert shown != locked_camera.url
        added = await server.rest.post("/rest-api/source/add", json={"name": "lobby", "uri": locked_camera.url})
        player = await client.play("lobby", peer=h264_peer())
        await until_both(player)
        taken = await server.rest.post(
            "/rest-api/rtsp/startup", json={"uri": "rtsp://127.0.0.1:9/x", "toStream": "lobby"}
        )
        assert taken.status_code == HTTPStatus.CONFLICT
        assert (taken.json()["reason"], taken.json()["key"]) == ("the stream's name is in use", "toStream")
        found = await server.rest.get("/rest-api/rtsp/find_all")
        assert found.json() == [{"uri": shown, "status": "PLAYING", "toStream": "lobby"}]
        answers = [added, taken, found, await server.rest.get("/rest-api/source/find_all")]
        answers.append(await server.rest.post("/rest-api/stream/find_all"))
        answers.append(await server.rest.post("/rest-api/rtsp/terminate", json={"uri": shown}))
        assert answers[-1].status_code == HTTPStatus.OK
        assert (await player.status("FAILED"))["info"] == "Stopped by publisher stop"
        assert b"s3cret" not in b"".join(event.data for event in server.server.events.history())
    lines = "\n".join(TextLines().format(record) for record in caplog.records if record.name.startswith("wcsd"))
    assert "source opened name=lobby" in lines
    told = "".join(answer.text for answer in answers) + str(client.frames) + lines
    assert SECRET not in told
    assert SECRET in (tmp_path / "state" / "sources.toml").read_text()


async def test_names_of_one_source_share_it_and_rest_keeps_what_players_began(
    tmp_path: Path, locked_camera: Camera
) -> None:
    async with full_server(tmp_path, capture_linger=0.05) as server, wcs_client(server.ws_url()) as client:
        for name, uri in (
            ("lobby", locked_camera.url),
            ("hall", locked_camera.url),
            ("yard", f"{locked_camera.url}?y=1"),
        ):
            answer = await server.rest.post("/rest-api/source/add", json={"name": name, "uri": uri})
            assert answer.is_success, answer.text
        first = await client.play("lobby", peer=h264_peer())
        second = await client.play("hall", peer=h264_peer())
        await until_both(first)
        await until_both(second)
        (capture,) = server.server.parts.captures._captures
        joined = await server.rest.post("/rest-api/rtsp/startup", json={"uri": locked_camera.url})
        assert joined.status_code == HTTPStatus.OK
        again = await server.rest.post("/rest-api/rtsp/startup", json={"uri": locked_camera.url})
        assert again.status_code == HTTPStatus.CONFLICT
        assert (again.json()["reason"].startswith("this source is captured already"), again.json()["key"]) == (
            True,
            "uri",
        )
        for player in (first, second):
            await client.send("stopStream", {"mediaSessionId": player.id})
            await player.status("STOPPED")
        assert (capture.kept, capture.over.is_set(), len(server.server.parts.captures)) == (True, False, 1)


async def test_a_masked_uri_that_means_several_sources_ends_none(tmp_path: Path, camera: Camera) -> None:
    async with full_server(tmp_path) as server, wcs_client(server.ws_url()) as client:
        for name in ("lobby", "yard"):
            uri = f"{camera.url}?channel={name}"
            await server.rest.post("/rest-api/source/add", json={"name": name, "uri": uri})
            await until_both(await client.play(name, peer=h264_peer()))
        shown = {"uri": f"{camera.url}?channel=***"}
        refused = await server.rest.post("/rest-api/rtsp/terminate", json=shown)
        assert refused.status_code == HTTPStatus.CONFLICT
        whole = await server.rest.post("/rest-api/rtsp/terminate", json={"uri": f"{camera.url}?channel=yard"})
        assert whole.status_code == HTTPStatus.OK
        assert (await server.rest.post("/rest-api/rtsp/terminate", json=shown)).status_code == HTTPStatus.OK


async def test_captures_that_take_their_share_of_the_processors_leave_room_for_no_other(
    tmp_path: Path, camera: Camera, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ProcessorShare, "take", lambda *_: None)  # it is what the test says
    async with full_server(tmp_path, capture_max_load=50) as server:
        captures = server.server.parts.captures
        captures.cores = 2
        uris = [f"{camera.url}?n={number}" for number in range(2)]
        assert (await server.rest.post("/rest-api/rtsp/startup", json={"uri": uris[0]})).is_success
        (capture,) = captures._captures
        assert capture._feed is not None
        assert capture._feed._worker is not None
        capture._feed._worker.share.cores = 1.0
        refused = await server.rest.post("/rest-api/rtsp/startup", json={"uri": uris[1]})
        assert refused.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        assert "Server is overloaded" in refused.json()["reason"]
        assert "capture.max_load" in TextLines().format(
            next(each for each in caplog.records if each.getMessage() == "capture refused")
        )
        capture._feed._worker.share.cores = 0.9
        assert (await server.rest.post("/rest-api/rtsp/startup", json={"uri": uris[1]})).is_success


async def test_a_source_that_never_sends_a_key_frame_is_given_up_unless_it_has_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.workers.capturing.source_feed.KEY_FRAME_PATIENCE", 0.3)
    monkeypatch.setattr("actors.media.ingest.fed_ingest.FedIngest.lacks_key_frame", True)
    media = make_media(tmp_path / "still.mp4", audio=None, seconds=4)
    sound = make_media(tmp_path / "sound.mp4", seconds=10)
    async with full_server(tmp_path, capture_vod_folder=media.path.parent) as server:
        async with wcs_client(server.ws_url()) as client:
            heard = await client.play(f"vod://{sound.path.name}", peer=h264_peer())
            assert await info_of_failure(client, f"vod://{media.path.name}") == "Stopped by publisher stop"
            await until_both(heard)
