"""Recording as pages and operators see it: statuses, REST, and files over HTTP."""

import io
import os
import signal
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
import trio
from attrs import evolve

from config.apps import App, AppTable
from config.settings import RecordPolicy, RecordsAccess
from config.tables.apps_file import write_apps
from tests.support.capture.rtsp_source import make_media
from tests.support.hooks.backend import open_backend
from tests.support.servers.full_server import FullServer, full_server
from tests.support.session.wcs_client import ClientStream, WcsClient, wcs_client
from tests.support.webrtc.h264_peer import h264_peer
from tests.support.workers.page_recording import FREE, RECORDS, fetched, show


async def recorder(server: FullServer, method: str, stream: ClientStream, **fields: Any) -> httpx.Response:
    return await server.rest.post(f"/rest-api/{method}", json={"mediaSessionId": stream.id, **fields})


async def recorded(server: FullServer, client: WcsClient, name: str, **fields: Any) -> ClientStream:
    """A stream that its page wants recorded, when its recorder has begun."""
    stream = await client.publish(name, record=True, **fields)
    recording = server.server.parts.recordings.of(stream.id)
    assert recording is not None
    with trio.fail_after(60):
        await recording.started.wait()
    return stream


def pictures(data: bytes) -> int:
    with av.open(io.BytesIO(data), "r") as opened:
        return sum(1 for packet in opened.demux(opened.streams.video[0]) if packet.size)


async def test_a_page_has_its_stream_recorded_and_learns_the_files_name(tmp_path: Path) -> None:
    async with full_server(tmp_path, **FREE) as server, wcs_client(server.ws_url()) as client:
        stream = await recorded(server, client, "news")
        assert (await stream.status("PUBLISHING"))["record"] is True
        assert [each["record"] for each in await server.streams(name="news")] == [True]
        await show(stream, await client.play("news"))
        await client.send("unPublishStream", {"mediaSessionId": stream.id, "name": "news"})
        end = await stream.status("UNPUBLISHED")
        assert (end["recordName"], end["record"]) == (f"stream-{stream.id}.webm", True)
        answer = await fetched(server, tmp_path, end["recordName"])
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "video/webm"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert pictures(answer.content) >= 1
        part = await fetched(server, tmp_path, end["recordName"], Range="bytes=4-7")
        assert (part.status_code, part.content) == (206, answer.content[4:8])
        beyond = await fetched(server, tmp_path, end["recordName"], Range="bytes=99999999-")
        assert beyond.status_code == 416
        with trio.fail_after(60):
            while (await server.statistics())["recordings_finished"] != "1":  # noqa: ASYNC110 - nobody tells
                await trio.sleep(0.02)


METHODS = frozenset({"connect", "publishStream", "StreamStatusEvent", "ConnectionStatusEvent", "RecordingStatusEvent"})


async def test_a_stream_that_ends_before_its_recorder_begins_is_refused_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with full_server(tmp_path, **FREE) as server, wcs_client(server.ws_url()) as client:
        threads = trio.to_thread.current_default_thread_limiter()
        holders = [object() for _ in range(int(threads.total_tokens))]
        with trio.fail_after(60):
            for holder in holders:  # the file cannot be made meanwhile
                await threads.acquire_on_behalf_of(holder)
        stream = await client.publish("news", record=True)
        recording = server.server.parts.recordings.of(stream.id)
        assert recording is not None
        await client.send("unPublishStream", {"mediaSessionId": stream.id, "name": "news"})
        await stream.status("UNPUBLISHED")
        for holder in holders:
            threads.release_on_behalf_of(holder)
        with trio.fail_after(60):
            await recording.stopped.wait()
        assert recording.refusal is not None
        assert recording.refusal.info == "Cannot record: the publication has ended"
        assert "recording refused" in caplog.text


async def test_a_page_that_fetches_at_once_gets_the_file(tmp_path: Path) -> None:
    async with full_server(tmp_path, **FREE) as server, wcs_client(server.ws_url()) as client:
        stream = await recorded(server, client, "news")
        await show(stream, await client.play("news"))
        await client.send("unPublishStream", {"mediaSessionId": stream.id, "name": "news"})
        name = (await stream.status("UNPUBLISHED"))["recordName"]
        assert (await server.rest.get(RECORDS + name)).status_code == 200
        assert (await server.rest.get(RECORDS + "other.webm")).status_code == 404


async def test_a_rooms_member_is_recorded(tmp_path: Path) -> None:
    policy = {"stream_record_policy": RecordPolicy.STREAM_NAME}
    member: dict[str, Any] = {"appKey": "roomApp", "custom": {"login": "ada"}}
    async with full_server(tmp_path, **FREE, **policy) as server, wcs_client(server.ws_url(), **member) as client:
        join = {"command": "join", "options": {"name": "lobby"}}
        await client.send("sendData", {"operationId": "1", "payload": join})
        assert (await client.receive("DataStatusEvent", operationId="1"))["status"] == "ACCEPTED"
        stream = await recorded(server, client, "ada-lobby", custom={"name": "lobby"})
        await show(stream, await client.play("ada-lobby", custom={"name": "lobby"}))
        assert len(await server.streams(roomName="lobby", published=True)) == 1
        assert (await recorder(server, "recorder/terminate", stream)).status_code == 200
        assert pictures((await fetched(server, tmp_path, "ada-lobby.webm")).content) >= 1


async def test_a_captured_stream_is_recorded(tmp_path: Path) -> None:
    media = tmp_path / "media"
    media.mkdir()
    make_media(media / "clip.mp4", audio="aac", seconds=1)
    settings = {**FREE, "capture_vod_folder": media, "vod_live_loop": True}
    policy = {"stream_record_policy_template": "film"}
    async with full_server(tmp_path, **settings, **policy) as server, wcs_client(server.ws_url()) as client:
        await client.play("vod-live://clip.mp4", peer=h264_peer())
        (stream,) = await server.streams(published=True)
        recordings = server.server.parts.recordings
        body = {"mediaSessionId": stream["mediaSessionId"]}
        assert (await server.rest.post("/rest-api/recorder/startup", json=body)).status_code == 200
        recording = recordings.of(stream["mediaSessionId"])
        assert recording is not None
        with trio.fail_after(60):
            await recording.writing.wait()
        assert (await server.rest.post("/rest-api/recorder/terminate", json=body)).status_code == 200
        assert pictures((await fetched(server, tmp_path, "film.mp4")).content) >= 1


async def test_a_backend_is_told_of_recordings_even_after_the_session(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    async with open_backend() as backend:
        app = App(name="defaultApp", key="defaultApp", url=backend.url, methods=METHODS)
        (tmp_path / "state" / "apps.toml").write_text(write_apps(AppTable((app,))))
        async with full_server(tmp_path, **FREE) as server:
            async with wcs_client(server.ws_url()) as client:
                stream = await recorded(server, client, "news")
                await show(stream, await client.play("news"))
                recording = server.server.parts.recordings.of(stream.id)
                assert recording is not None
                pid = recording.pid
                assert pid is not None
                os.kill(pid, signal.SIGSTOP)
            with trio.fail_after(60):
                await backend.wait_for("ConnectionStatusEvent", count=2)
                os.kill(pid, signal.SIGCONT)
                begun, done = await backend.wait_for("RecordingStatusEvent", count=2)
            name = f"stream-{stream.id}.webm"
            ids = {"mediaSessionId": stream.id, "name": "news", "fileName": name, "appKey": "defaultApp"}
            assert begun.body.items() >= {**ids, "status": "STARTED"}.items()
            assert done.body.items() >= {**ids, "status": "FINISHED"}.items()
            assert done.body["size"] == (tmp_path / "state" / "records" / name).stat().st_size
            assert isinstance(done.body["duration"], int)
            methods = [call.method for call in backend.received()]
            assert methods[-1] == "RecordingStatusEvent", "the session has ended before"
            server.live.replace(evolve(server.live.now, record_streams=False))
            async with wcs_client(server.ws_url()) as other:
                await other.publish("other", record=True)
                with trio.fail_after(60):
                    refused = (await backend.wait_for("RecordingStatusEvent", count=3))[2]
                assert (refused.body["status"], refused.body["info"]) == ("FAILED", "Recording is switched off")
                assert "fileName" not in refused.body


async def test_a_stream_without_the_wish_is_not_recorded(tmp_path: Path) -> None:
    async with full_server(tmp_path, **FREE) as server, wcs_client(server.ws_url()) as client:
        stream = await client.publish("news")
        assert (await stream.status("PUBLISHING"))["record"] is False
        await client.send("unPublishStream", {"mediaSessionId": stream.id, "name": "news"})
        assert "recordName" not in await stream.status("UNPUBLISHED")


async def test_a_page_whose_recording_is_refused_publishes_all_the_same(tmp_path: Path) -> None:
    async with full_server(tmp_path, record_streams=False) as server, wcs_client(server.ws_url()) as client:
        stream = await client.publish("news", record=True)
        assert (await stream.status("PUBLISHING"))["record"] is False
        answer = await recorder(server, "recorder/startup", stream)
        assert answer.status_code == 403
        assert answer.json()["setting"] == "record_streams"
        await server.terminate(name="news")
        assert "recordName" not in await stream.status("FAILED")


async def test_an_operator_begins_and_ends_recordings(tmp_path: Path) -> None:
    policy = {"stream_record_policy": RecordPolicy.STREAM_NAME}
    async with full_server(tmp_path, **FREE, **policy) as server, wcs_client(server.ws_url()) as client:
        stream = await client.publish("news")
        playback = await client.play("news")
        assert (await server.rest.get("/rest-api/recorder/find_all")).status_code == 404
        config = {"fileTemplate": "{streamName}/{startTime}-{endTime}", "rotation": "20M"}
        assert (await recorder(server, "recorder/startup", stream, config=config)).status_code == 200
        (running,) = (await server.rest.post("/rest-api/recorder/find_all")).json()
        assert running["mediaSessionId"] == stream.id
        assert running["fileName"].startswith("news_")
        assert running["fileName"].endswith("-{endTime}.webm")
        assert (await recorder(server, "stream/startRecording", stream)).status_code == 200, "the old name"
        (running,) = (await server.rest.get("/rest-api/recorder/find_all")).json()
        assert running["fileName"] == "news.webm"
        await show(stream, playback)
        assert (await recorder(server, "stream/stopRecording", stream)).status_code == 200
        assert (await recorder(server, "recorder/terminate", stream)).status_code == 404, "it has ended"
        assert pictures((await fetched(server, tmp_path, "news.webm")).content) >= 1


NOT_UNDERSTOOD: tuple[tuple[Any, int], ...] = (
    ({"rotation": "20MB"}, 400),
    ({"rotation": True}, 400),
    ({"fileTemplate": "{nothing}"}, 400),
    ({"fileTemplate": ""}, 400),
    ({"fileTemplate": 5}, 400),
    ({"else": 1}, 400),
    ("text", 400),
)


def put(folder: Path) -> None:
    """Files that may be asked for."""
    records = folder / "state" / "records"
    records.mkdir(parents=True)
    for name in ("good.webm", "half.webm.part", "notes.txt", ".hidden.webm"):
        (records / name).write_bytes(b"content")
    (folder / "state" / "secret.webm").write_bytes(b"secret")
    (records / "link.webm").symlink_to(folder / "state" / "secret.webm")
    (records / "folder.webm").mkdir()


async def test_finished_files_are_served_and_nothing_else(tmp_path: Path) -> None:
    put(tmp_path)
    names = ("half.webm.part", "notes.txt", ".hidden.webm", "link.webm", "folder.webm", "..%2Fsecret.webm", "a%00.webm")
    async with full_server(tmp_path) as server:
        assert (await server.rest.get(f"{RECORDS}good.webm")).content == b"content"
        assert (await server.rest.head(f"{RECORDS}good.webm")).headers["content-length"] == "7"
        for name in (*names, "", "x" * 400 + ".webm"):
            assert (await server.rest.get(RECORDS + name)).status_code == 404, name
        assert (await server.rest.get("/client/records")).status_code == 404, "there is no list"


async def test_who_may_fetch_is_a_setting_and_what_is_asked_for_must_be_understood(tmp_path: Path) -> None:
    put(tmp_path)
    elsewhere = {"Origin": "https://elsewhere.example", "Host": "elsewhere.example"}
    async with full_server(tmp_path) as server:
        assert (await server.rest.get(f"{RECORDS}good.webm", headers=elsewhere)).status_code == 403
        server.live.replace(evolve(server.live.now, records_access=RecordsAccess.OFF))
        assert (await server.rest.get(f"{RECORDS}good.webm")).status_code == 404
        server.live.replace(evolve(server.live.now, records_access=RecordsAccess.PUBLIC))
        answer = await server.rest.get(f"{RECORDS}good.webm", headers=elsewhere)
        assert answer.content == b"content"
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        assert (await server.rest.get("/rest-api/recorder/find_all", headers=elsewhere)).status_code == 403
        for config, status in NOT_UNDERSTOOD:
            body = {"mediaSessionId": "x", "config": config}
            refused = await server.rest.post("/rest-api/recorder/startup", json=body)
            assert refused.status_code == status, refused.text
            assert refused.json()["key"].startswith("config")


async def groups(server: FullServer, method: str, **fields: Any) -> httpx.Response:
    return await server.rest.post(f"/rest-api/multipleRecorder/{method}", json=fields)


async def test_publications_are_recorded_together_each_in_its_own_file(tmp_path: Path) -> None:
    uri = "multi-recorder://test-record"
    async with full_server(tmp_path, **FREE) as server, wcs_client(server.ws_url()) as client:
        assert (await groups(server, "find_all")).status_code == 404
        assert (await groups(server, "startup", uri=uri)).status_code == 200
        twice = await groups(server, "startup", uri=uri)
        told = (409, "uri", "there is a group with this uri already")
        assert (twice.status_code, twice.json()["key"], twice.json()["reason"]) == told
        streams = [await client.publish(name) for name in ("first", "second")]
        playbacks = [await client.play(name) for name in ("first", "second")]
        for stream in streams:
            added = await groups(server, "add", uri=uri, mediaSessionId=stream.id)
            assert added.status_code == 200, added.text
        twice = await groups(server, "add", uri=uri, mediaSessionId=streams[0].id)
        told = (409, "mediaSessionId", "the publication is recorded for this group already")
        assert (twice.status_code, twice.json()["key"], twice.json()["reason"]) == told
        assert (await groups(server, "add", uri="other", mediaSessionId=streams[0].id)).status_code == 404
        assert (await groups(server, "add", uri=uri, mediaSessionId="nobody")).status_code == 404
        assert (await recorder(server, "recorder/startup", streams[0])).status_code == 200, "beside the group"
        (found,) = (await groups(server, "find_all")).json()
        name = "multi-recorder___test-record"
        assert found == {"uri": uri, "mediaSessionsId": [each.id for each in streams], "fileName": f"{name}.json"}
        (single,) = (await server.rest.get("/rest-api/recorder/find_all")).json()
        assert single["mediaSessionId"] == streams[0].id
        for stream, playback in zip(streams, playbacks, strict=True):
            await show(stream, playback)
        assert (await groups(server, "remove", uri=uri, mediaSessionId=streams[0].id)).status_code == 200
        assert (await groups(server, "remove", uri=uri, mediaSessionId=streams[0].id)).status_code == 404
        assert (await groups(server, "terminate", uri=uri)).status_code == 200
        assert (await groups(server, "terminate", uri=uri)).status_code == 404
        listed = (await fetched(server, tmp_path, f"{name}.json")).json()
        assert (listed["uri"], min(each["offset"] for each in listed["files"])) == (uri, 0)
        by_name = {each["name"]: each for each in listed["files"]}
        for stream, member in zip(streams, ("first", "second"), strict=True):
            assert by_name[member]["mediaSessionId"] == stream.id
            assert by_name[member]["fileName"] == f"{name}-{member}.webm"
            assert pictures((await fetched(server, tmp_path, by_name[member]["fileName"])).content) >= 1


async def test_groups_are_bounded_and_end_with_the_server(tmp_path: Path) -> None:
    async with full_server(tmp_path, **FREE, records_max_running=1) as server:
        assert (await groups(server, "startup", uri="one")).status_code == 200
        refused = await groups(server, "startup", uri="two")
        assert (refused.status_code, refused.json()["setting"]) == (503, "records.max_running")
        for uri in ("", "x" * 256, "a\nb"):
            assert (await groups(server, "startup", uri=uri)).status_code == 400
    assert [path.name for path in (tmp_path / "state" / "records").iterdir()] == ["one.json"]
