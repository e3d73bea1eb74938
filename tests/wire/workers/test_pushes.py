"""Pushes as pages, operators and backends see them: statuses, REST, and who learns a key."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from config.apps import ALL_METHODS, App, AppTable
from config.tables.apps_file import write_apps
from protocol.capture.rules import read_rules
from tests.support.capture.rtsp_source import make_media
from tests.support.hooks.backend import open_backend
from tests.support.servers.full_server import FullServer, full_server
from tests.support.session.wcs_client import ClientStream, WcsClient, wcs_client
from tests.support.webrtc.h264_peer import h264_peer
from tests.support.workers.push_rig import recorded
from tests.support.workers.rtmp_server import RtmpServer, rtmp_server

KEY = "live-4711-secret"
LOOPBACK = read_rules(["127.0.0.1"])


async def call(server: FullServer, method: str, **fields: Any) -> httpx.Response:
    return await server.rest.post(f"/rest-api/push/{method}", json=fields)


async def pushing(server: FullServer, **fields: Any) -> dict[str, Any]:
    """Wait until the push that matches has been taken by its target."""
    with trio.fail_after(60):
        while True:
            (push,) = (await call(server, "find", **fields)).raise_for_status().json()
            if push["status"] == "PUSHING":
                return dict(push)
            await trio.sleep(0.02)


async def gone(server: FullServer) -> None:
    """Wait until no push runs."""
    with trio.fail_after(60):
        while len(server.server.parts.pushes):  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.02)


@asynccontextmanager
async def served(tmp_path: Path, **settings: Any) -> AsyncIterator[tuple[FullServer, WcsClient, RtmpServer]]:
    with rtmp_server(tmp_path) as target:
        async with full_server(tmp_path, **settings) as server, wcs_client(server.ws_url()) as client:
            yield server, client, target


async def test_operators_push_a_publication_find_it_and_end_it(tmp_path: Path) -> None:
    async with served(tmp_path) as (server, client, target):
        stream = await client.publish("news", peer=h264_peer())
        answer = await call(server, "startup", streamName="news", rtmpUrl=target.url, options={})
        assert answer.status_code == 200, answer.text
        push = await pushing(server, streamName="news")
        assert push == answer.json() | {"status": "PUSHING"}
        shown = {"streamName": "rtmp_news", "rtmpUrl": target.url, "muted": False, "soundEnabled": False, "options": {}}
        assert push == push | shown
        assert (await server.statistics())["streams_rtmp_out"] == "1"
        assert (await call(server, "startup", streamName="news", rtmpUrl=target.url)).status_code == 409

        for found in (
            await call(server, "find", streamName="rtmp_news", rtmpUrl=target.url),
            await call(server, "find_all"),
            await server.rest.get("/rest-api/push/find_all"),
        ):
            assert found.json() == [push]
        assert (await call(server, "find", streamName="other")).status_code == 404

        one = {"mediaSessionId": push["mediaSessionId"]}
        for method, muted in (("mute", True), ("unmute", False)):
            assert (await call(server, method, **one)).status_code == 200
            assert (await call(server, "find", streamName="news")).json()[0]["muted"] is muted
        assert (await call(server, "sound_on", **one, soundFile="none.wav")).status_code == 404
        assert (await call(server, "sound_off", **one)).status_code == 200
        assert (await call(server, "terminate", **one)).status_code == 200
        assert (await call(server, "terminate", **one)).status_code == 404
        await gone(server)
        assert not client.closed.is_set()
        assert [each["status"] for each in await server.streams(name="news")] == ["PUBLISHING"]

        await call(server, "startup", streamName="news", rtmpUrl=target.url, options={"action": "mute"})
        assert (await pushing(server, streamName="news"))["muted"] is True
        await client.send("unPublishStream", {"mediaSessionId": stream.id, "name": "news"})
        await stream.status("UNPUBLISHED")
        assert (await call(server, "find_all")).status_code == 404
        await gone(server)
        assert (await server.statistics())["pushes_failed"] == "0"


HERE = {"streamName": "news", "rtmpUrl": "rtmp://127.0.0.1/live"}
REFUSED: tuple[tuple[dict[str, Any], int, str], ...] = (
    ({"streamName": "news"}, 400, "rtmpUrl"),
    (HERE | {"rtmpUrl": "http://127.0.0.1/live"}, 400, "rtmpUrl"),
    (HERE | {"rtmpUrl": "rtmp://a..b/live"}, 400, "rtmpUrl"),
    (HERE | {"rtmpUrl": "rtmp://host.invalid/live"}, 400, "rtmpUrl cannot be used: host.invalid has no address"),
    (HERE | {"options": {"action": "dance"}}, 400, "options"),
    (HERE | {"options": {"action": "sound_on"}}, 400, "soundFile"),
    (HERE | {"options": {"action": "sound_on", "soundFile": "none.wav"}}, 400, "options"),
    (HERE | {"more": 1}, 400, "more"),
    (HERE | {"streamName": "none"}, 404, "publication"),
    (HERE, 403, "push.transcode"),
)


async def test_what_cannot_be_pushed_is_refused_with_a_reason(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server, wcs_client(server.ws_url()) as client:
        await client.publish("news")
        for fields, status, word in REFUSED:
            answer = await call(server, "startup", **fields)
            assert (answer.status_code, word in answer.text) == (status, True), answer.text
        for method in ("terminate", "mute", "unmute", "sound_off"):
            assert (await call(server, method, mediaSessionId="none")).status_code == 404
        assert (await call(server, "sound_on", mediaSessionId="none", soundFile="x")).status_code == 404


async def publish(client: WcsClient, url: str) -> ClientStream:
    """A page publishes and has it pushed; it waits for no status."""
    stream = await client.offer("publishStream", "news", h264_peer(), rtmpUrl=url)
    await client.connect_media(stream)
    stream.send_key_frame()
    return stream


async def test_a_page_has_its_stream_pushed_where_it_may(tmp_path: Path) -> None:
    async with served(tmp_path, push_allow=LOOPBACK) as (server, client, target):
        stream = await publish(client, target.url)
        await stream.status("PUBLISHING")
        assert (await pushing(server, streamName="news"))["streamName"] == "rtmp_news"
        target.kill()
        assert (await stream.status("FAILED"))["info"] == "Failed by RTMP writer error"

        gone_for_good = await publish(client, target.url)
        assert (await gone_for_good.status("FAILED"))["info"] == "Failed by RTMP writer error"
        no_target = await publish(client, "http://127.0.0.1/live")
        assert (await no_target.status("FAILED"))["info"] == "Bad URI"


async def test_a_page_that_names_another_target_fails_and_nothing_is_sent_there(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server, wcs_client(server.ws_url()) as client:
        with socket.create_server(("127.0.0.1", 0)) as inner:
            inner.setblocking(False)
            stream = await publish(client, f"rtmp://127.0.0.1:{inner.getsockname()[1]}/live")
            assert (await stream.status("FAILED"))["info"] == "Access forbidden"
            assert client.statuses_of(stream.id)[-1]["status"] == "FAILED"
            with pytest.raises(BlockingIOError):
                inner.accept()


async def test_nobody_learns_a_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with open_backend() as backend:
        (tmp_path / "state").mkdir(mode=0o700)
        app = App(name="defaultApp", key="defaultApp", url=backend.url, methods=frozenset(ALL_METHODS))
        (tmp_path / "state" / "apps.toml").write_text(write_apps(AppTable(apps=(app,))))
        settings = {"push_allow": LOOPBACK, "rtmp_transponder_full_url": True}
        async with served(tmp_path, **settings) as (server, client, target):
            url = f"{target.url}/{KEY}"
            await client.send("sessionDebug", {"command": "start"})
            stream = await publish(client, url)
            await stream.status("PUBLISHING")
            (push,) = (await call(server, "find", rtmpUrl=url)).json()
            assert push["rtmpUrl"] == f"{target.url}/***"
            seen = [(await call(server, "find_all")).text, (await server.rest.get("/metrics")).text]
            seen.append((await server.rest.get("/?action=stat")).text)
            seen.append((await server.rest.post("/rest-api/stream/find", json={"name": "news"})).text)
            for status, more in ((409, {}), (400, {"options": 1}), (404, {"streamName": "x"})):
                answer = await call(server, "startup", **{"streamName": "news", "rtmpUrl": url, **more})
                assert answer.status_code == status
                seen.append(answer.text)
            target.kill()
            await stream.status("FAILED")
            seen += [str(list(server.server.events.history())), str(client.frames)]
        seen += [path.read_text(errors="replace") for path in (tmp_path / "state").rglob("*") if path.is_file()]
        seen += [str(vars(record)) for record in caplog.records]
        seen.append(str(backend.calls))
    assert any("127.0.0.1" in text for text in seen)
    assert [text for text in seen if KEY in text] == []


async def test_a_captured_stream_is_pushed_on_without_its_name(tmp_path: Path) -> None:
    make_media(tmp_path / "clip.mp4", audio="aac", seconds=2)
    settings = {"capture_vod_folder": tmp_path, "capture_linger": 0.05, "vod_live_loop": True}
    async with served(tmp_path, **settings) as (server, client, target):
        player = await client.play("vod-live://clip.mp4", peer=h264_peer())
        where: dict[str, Any] = {"streamName": "vod-live://clip.mp4", "rtmpUrl": target.url}
        refused = await call(server, "startup", **where)
        assert (refused.status_code, "rtmpTransponderFullUrl" in refused.text) == (400, True)
        where |= {"rtmpUrl": f"{target.url}/clip", "rtmpTransponderFullUrl": True}
        assert (await call(server, "startup", **where)).status_code == 200
        await pushing(server, streamName=where["streamName"])
        heard = await recorded(target, "clip", 30, sound=1)
        assert heard.codecs == {"video": "h264", "audio": "aac"}
        await client.send("stopStream", {"mediaSessionId": player.id})
        await player.status("STOPPED")
        await gone(server)
