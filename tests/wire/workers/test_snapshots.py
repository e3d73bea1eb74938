"""Pictures by the real process: of all codecs, in the publisher's colours, and what happens when there is none."""

import base64
import os
import signal
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from attrs import evolve

from actors.node.ports.snapshot import NotInTime, SnapshotRefused
from actors.workers.snapshots.snapshot_worker import ENDED, TOO_LARGE
from actors.workers.snapshots.snapshots import TOO_MANY
from protocol.stream.pictures import Picture, PictureFormat, PictureSpec
from protocol.webrtc.sdp import MediaKind
from tests.support.capture.rtsp_source import make_media
from tests.support.media.rtp_packets import build_header
from tests.support.servers.full_server import FullServer, full_server
from tests.support.session.wcs_client import Frame, WcsClient, wcs_client
from tests.support.webrtc.h264_peer import h264_peer, until_both
from tests.support.workers.colour_camera import shows
from tests.support.workers.colour_frames import BLUE, GREEN, HEIGHT, RED, WIDTH, Colour, colours, is_near
from tests.support.workers.snapshot_rig import PATIENCE, PATIENT, Camera, pid, refusal, taking


def shown(picture: Picture) -> tuple[int, int, Colour, Colour]:
    return colours(base64.b64decode(picture.data))


async def test_each_codec_shows_the_colours_of_its_publisher() -> None:
    async with taking() as (snapshots, rig):
        for codec in ("VP8", "VP9", "H264", "AV1"):
            camera = Camera(rig, codec)
            camera.shows(RED, BLUE)
            picture = await snapshots.take(camera.request())
            width, height, left, right = shown(picture)
            assert (width, height) == (picture.width, picture.height) == (WIDTH, HEIGHT)
            assert is_near(left, RED), codec
            assert is_near(right, BLUE), codec
            assert base64.b64decode(picture.data).startswith(b"\x89PNG")
            spec = PictureSpec(format=PictureFormat.JPEG, width=80)
            jpeg = await snapshots.take(camera.request(spec))
            width, height, left, right = shown(jpeg)
            assert (width, height) == (80, 48)
            assert is_near(left, RED), codec
            assert is_near(right, BLUE), codec
            assert base64.b64decode(jpeg.data).startswith(b"\xff\xd8\xff")
        assert snapshots.counts.taken == 8
        assert snapshots._workers.counts.starts["snapshotter"] == 1, "one process takes all"


async def test_without_a_recent_key_frame_one_is_asked_for_and_its_size_may_be_new() -> None:
    async with taking() as (snapshots, rig), trio.open_nursery() as nursery:
        camera = Camera(rig)
        nursery.start_soon(answer_request, camera)
        width, height, left, right = shown(await snapshots.take(camera.request()))
        assert (width, height) == (320, 200)
        assert is_near(left, GREEN)
        assert is_near(right, RED)


async def answer_request(camera: Camera) -> None:
    """Send a key frame when one is asked for."""
    await until_asked(camera)
    camera.shows(GREEN, RED, 320, 200)


async def until_asked(camera: Camera) -> None:
    """Wait until a key frame is asked for: the tap is there."""
    with trio.fail_after(PATIENCE):
        while not camera.source.key_frames_asked:  # noqa: ASYNC110 - the plane calls nobody here
            await trio.sleep(0.01)


async def test_a_picture_with_too_many_bytes_is_scaled_down_until_it_fits() -> None:
    async with taking() as (snapshots, rig):
        camera = Camera(rig)
        camera.shows(RED, BLUE, 1280, 720)
        whole = await snapshots.take(camera.request())
        limit = len(base64.b64decode(whole.data)) // 2
        picture = await snapshots.take(camera.request(PictureSpec(max_bytes=limit)))
        assert len(base64.b64decode(picture.data)) <= limit
        assert 64 <= picture.width < 1280
        assert is_near(shown(picture)[2], RED)


async def test_those_who_ask_within_a_second_get_the_same_picture() -> None:
    async with taking() as (snapshots, rig):
        camera = Camera(rig)
        pictures: list[Picture] = []

        async def ask() -> None:
            pictures.append(await snapshots.take(camera.request()))

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(ask)
            nursery.start_soon(answer_request, camera)
        assert len({id(picture) for picture in pictures}) == 1
        assert (snapshots.counts.taken, snapshots.counts.shared) == (1, 4)


async def test_no_key_frame_in_time_is_told_and_the_process_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.workers.snapshots.snapshots.HANG_TIMEOUT", PATIENCE)  # busy machines are slow to notice
    async with taking() as (snapshots, rig):
        camera = Camera(rig)
        camera.shows(RED, BLUE)
        await snapshots.take(camera.request())
        silent = Camera(rig)
        assert isinstance(await refusal(snapshots, silent.request(timeout=0.05)), NotInTime)
        assert (snapshots.counts.failed, snapshots.counts.late) == (1, 1)
        other = Camera(rig, "H264")
        other.shows(GREEN, RED)
        assert is_near(shown(await snapshots.take(other.request()))[2], GREEN)
        assert snapshots._workers.counts.starts["snapshotter"] == 1
        assert not silent.source.publication.ended


async def test_a_publication_that_ends_meanwhile_says_so() -> None:
    async with taking() as (snapshots, rig), trio.open_nursery() as nursery:
        camera = Camera(rig)

        async def end() -> None:
            await until_asked(camera)
            camera.source.publication.end()

        nursery.start_soon(end)
        assert (await refusal(snapshots, camera.request())).info == ENDED


async def test_what_cannot_be_decoded_is_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.workers.snapshots.snapshots.PICTURE_AGE", PATIENCE)
    async with taking() as (snapshots, rig):
        camera = Camera(rig)
        header = build_header(payload_type=0, marker=True, sequence=1, timestamp=1, ssrc=1)
        garbage = b"\x10" + b"\x10\x02\x00\x9d\x01\x2a\xa0\x00\x60\x00" + b"\xff" * 40
        huge = b"\x10" + b"\x10\x02\x00\x9d\x01\x2a\xff\x3f\xff\x3f" + b"\xff" * 40
        camera.source.feed(MediaKind.VIDEO, [header + huge])
        assert (await refusal(snapshots, camera.request())).info == TOO_LARGE
        assert (await refusal(snapshots, camera.request())).info == TOO_LARGE
        assert (snapshots.counts.failed, snapshots.counts.shared) == (1, 1), "it is remembered"
        other = Camera(rig)
        other.source.feed(MediaKind.VIDEO, [header + garbage])
        with suppress(SnapshotRefused):  # a decoder may make something of it
            await snapshots.take(other.request())
        assert snapshots._workers.counts.starts["snapshotter"] == 1, "it has not died of it"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_process_that_dies_or_hangs_fails_what_it_was_at_and_is_followed_by_another(
    how: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.workers.snapshots.snapshots.HANG_TIMEOUT", 0.05)
    async with taking() as (snapshots, rig):
        camera = Camera(rig)
        camera.shows(RED, BLUE)
        await snapshots.take(camera.request())
        worker = snapshots._worker
        assert worker is not None
        os.kill(await pid(snapshots), how)
        silent = Camera(rig)
        wait = PATIENCE if how is signal.SIGKILL else 0.05
        refused = await refusal(snapshots, silent.request(timeout=wait))
        assert isinstance(refused, NotInTime) is (how is signal.SIGSTOP)
        with trio.fail_after(PATIENCE):
            await worker.stopped.wait()
        other = Camera(rig)
        other.shows(GREEN, RED)
        assert is_near(shown(await snapshots.take(other.request()))[2], GREEN)
        assert snapshots._workers.counts.starts["snapshotter"] == 2
        assert snapshots._workers.counts.hangs["snapshotter"] == (how is signal.SIGSTOP)
        assert not silent.source.publication.ended, "the stream notices nothing"


async def test_more_than_may_wait_are_refused_at_once() -> None:
    async with taking(evolve(PATIENT, snapshot_max_waiting=1)) as (snapshots, rig), trio.open_nursery() as nursery:
        camera = Camera(rig)

        async def wait() -> None:
            await snapshots.take(camera.request())

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        refused = await refusal(snapshots, Camera(rig).request())
        assert (refused.info, refused.setting) == (TOO_MANY, "snapshot.max_waiting")
        assert (len(snapshots), snapshots.counts.refused) == (1, 1)
        nursery.cancel_scope.cancel()


async def test_a_process_that_nobody_needs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.workers.snapshots.snapshots.IDLE_TIMEOUT", 60.0)
    async with taking() as (snapshots, rig):
        camera = Camera(rig)
        camera.shows(RED, BLUE)
        await snapshots.take(camera.request())
        worker = snapshots._worker
        assert worker is not None
        snapshots._idle.deadline = trio.current_time()  # as if the time had passed
        with trio.fail_after(PATIENCE):
            await worker.stopped.wait()
        assert snapshots._workers.counts.failures["snapshotter"] == 0
        assert snapshots._workers.counts.running["snapshotter"] == 0


# -- the whole server ------------------------------------------------------------------------------------------------


async def asked(client: WcsClient, name: str, media_session_id: str) -> tuple[list[Frame], list[Frame]]:
    """Ask for a picture as the SDK does; the events and the statuses that answer."""
    await client.send("snapshot", {"name": name, "mediaSessionId": media_session_id})
    await client.receive("notifyStreamEvent", within=PATIENCE, mediaSessionId=media_session_id)
    client.frames[:] = [frame for frame in client.frames if frame[0] != "pong"]
    await client.send("ping", None)
    await client.receive("pong")  # whatever else there is to tell has come before
    return client.of("notifyStreamEvent", mediaSessionId=media_session_id), client.statuses_of(media_session_id)


async def picture_by_rest(server: FullServer, name: str, **query: Any) -> bytes:
    answer = await server.rest.post(
        "/rest-api/stream/snapshot", params=query, json={"streamName": name}, timeout=PATIENCE
    )
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"data"}
    return base64.b64decode(answer.json()["data"])


async def test_pages_and_operators_get_pictures(tmp_path: Path) -> None:
    async with full_server(tmp_path, snapshot_timeout=PATIENCE) as server, wcs_client(server.ws_url()) as client:
        stream = await client.publish("news")
        await shows(stream, server, RED, BLUE)
        width, height, left, right = colours(await picture_by_rest(server, "news"))
        assert (width, height) == (WIDTH, HEIGHT)
        assert is_near(left, RED)
        assert is_near(right, BLUE)
        assert colours(await picture_by_rest(server, "news", format="jpeg", width=80))[:2] == (80, 48)
        events, statuses = await asked(client, "news", "throw-away")
        assert [each["type"] for each in events] == ["snapshotCompleted"]
        assert [each["status"] for each in statuses] == ["SNAPSHOT_COMPLETE"]
        picture = events[0]["payload"]["snapshot"]
        assert statuses[0]["info"] == picture
        assert is_near(colours(base64.b64decode(picture))[2], RED)
        events, statuses = await asked(client, "nobody", "throw-away-2")
        assert [(each["type"], each["payload"]) for each in events] == [
            ("snapshotFailed", {"info": "Stream not found"})
        ]
        assert [(each["status"], each["info"]) for each in statuses] == [("FAILED", "Stream not found")]
        before = len(stream.statuses)
        await asked(client, "nobody", stream.id)
        assert len(stream.statuses) == before, "a live stream is not told FAILED"
        assert (await server.statistics())["snapshots_taken"] == "3"
        assert server.server.parts.recordings.services.zygote.starts == 1, "the process was forked"
        missing = await server.rest.post("/rest-api/stream/snapshot", json={"streamName": "nobody"})
        assert missing.status_code == 404


async def test_what_is_captured_is_shown_too(tmp_path: Path) -> None:
    media = tmp_path / "media"
    media.mkdir()
    await trio.to_thread.run_sync(partial(make_media, media / "clip.mp4", seconds=2))
    settings = {"capture_vod_folder": media, "vod_live_loop": True, "snapshot_timeout": PATIENCE}
    async with full_server(tmp_path, **settings) as server, wcs_client(server.ws_url()) as client:
        player = await client.play("vod-live://clip.mp4", peer=h264_peer())
        await until_both(player)
        (stream,) = await server.streams(published=True)
        width, height, *_ = colours(await picture_by_rest(server, "vod-live://clip.mp4"))
        assert (width, height) == (stream["width"], stream["height"])
