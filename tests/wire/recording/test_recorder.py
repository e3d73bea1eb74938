"""Recordings by the real process: what comes becomes a file, and whatever becomes of the process, files play."""

import errno
import io
import os
import shutil
import signal
import socket
from pathlib import Path
from typing import Any

import av
import pytest
import trio
from attrs import evolve

from actors.node.ports.recorder import RecordingRefused, RecordWish
from actors.stream.recorder import until_begun
from actors.web.api.recordings.records import recording_refusal
from actors.workers.recording.record_folder import PART
from actors.workers.recording.recording import RESTARTS, Recording
from protocol.stream.record_status import RecordNotice, RecordStatus
from protocol.stream.rotation import Rotation
from protocol.webrtc.sdp import MediaKind
from tests.support.media.plain_media import PlainSource
from tests.support.media.rtp_packets import build_header
from tests.support.webrtc.media_peer import vp8_key_frame
from tests.support.workers.record_studio import (
    FREE,
    Studio,
    ended,
    feed_key_frame,
    names,
    pictures,
    rotated,
    studio,
    written,
)


def leave_over(folder: Path) -> None:
    """Files as a killed server leaves them."""
    shutil.copy(folder / f"news.webm{PART}", folder / f"left-{{endTime}}.webm{PART}")
    (folder / f"empty.webm{PART}").touch()


def keys_first(file: Path) -> bool:
    """Whether its first picture is a key frame."""
    with av.open(io.BytesIO(file.read_bytes()), "r") as opened:
        return next(iter(opened.demux(opened.streams.video[0]))).is_keyframe


async def test_a_publication_is_recorded_until_it_ends(tmp_path: Path) -> None:
    async with studio(tmp_path / "records") as made:
        source = made.source()
        recording = await made.record(source)
        assert [each.running_name for each in made.recordings] == ["news.webm"]
        made.play(source)
        source.publication.end()
        assert recording.finish() == "news.webm"
        assert await ended(recording) == tmp_path / "records" / "news.webm"
        assert pictures(tmp_path / "records" / "news.webm") == 30
        assert names(tmp_path / "records") == ["news.webm"]
        assert (made.recordings.counts.finished, made.recordings.services.counts.running["recorder"]) == (1, 0)


async def test_h264_becomes_an_mp4(tmp_path: Path) -> None:
    async with studio(tmp_path) as made:
        source = made.source("H264")
        recording = await made.record(source)
        made.play(source)
        source.publication.end()
        assert recording.finish() == "news.mp4"
        assert await ended(recording) == tmp_path / "news.mkv"
    assert names(tmp_path) == ["news.mp4"]
    assert pictures(tmp_path / "news.mp4") == 30


async def test_the_next_recording_of_a_name_has_another_file_and_ends_the_one_before(tmp_path: Path) -> None:
    async with studio(tmp_path) as made:
        source = made.source()
        first = await made.record(source)
        made.play(source, 0.0, 1.0)
        second = await made.record(source)
        assert await ended(first) == tmp_path / "news.webm"
        made.play(source, 1.0)
        second.finish()
        assert await ended(second) == tmp_path / "news-2.webm"
        assert pictures(tmp_path / "news.webm") == 15
        assert pictures(tmp_path / "news-2.webm") == 30, "it begins with the last key frame, which came just now"


@pytest.mark.parametrize("is_killed", [True, False])
async def test_the_size_that_is_told_is_that_of_the_file_in_the_end(tmp_path: Path, is_killed: bool) -> None:
    told: list[RecordNotice] = []
    async with studio(tmp_path) as made:
        source = made.source("H264")
        recording = made.recordings.start(evolve(made.request(source), tell=told.append))
        await recording.started.wait()
        made.play(source)
        await written(recording)
        assert recording.pid is not None
        if is_killed:
            os.kill(recording.pid, signal.SIGKILL)
        recording.finish()
        await ended(recording)
    (finished,) = [each for each in told if each.status is RecordStatus.FINISHED]
    assert (finished.file_name, finished.size) == ("news.mp4", (tmp_path / "news.mp4").stat().st_size)


async def test_a_recording_goes_on_in_new_files(tmp_path: Path) -> None:
    async with studio(tmp_path, evolve(FREE, record_rotation=Rotation(max_bytes=4000))) as made:
        source = made.source()
        recording = await made.record(source)
        made.play(source)
        await rotated(made, recording, source)
        await rotated(made, recording, source)
        last = recording.finish()
        assert await ended(recording) == tmp_path / last
    assert names(tmp_path) == ["news-2.webm", "news-3.webm", "news.webm"]
    assert [keys_first(tmp_path / name) for name in names(tmp_path)] == [True] * 3
    assert (made.recordings.counts.finished, made.recordings.counts.files) == (1, 3)


async def test_recordings_end_when_their_folder_is_full(tmp_path: Path) -> None:
    async with studio(tmp_path, evolve(FREE, records_max_bytes=1500)) as made:
        first, second = made.source(), made.source()
        recordings = [await made.record(first, "m1"), await made.record(second, "m2")]
        made.play(first)
        for recording in recordings:
            await ended(recording)
            assert recording.reason is not None
            assert recording.reason.cause == "no-room"
        assert not first.publication.ended, "nobody else notices"
    assert names(tmp_path) == ["news.webm"]
    assert pictures(tmp_path / "news.webm") == 30


async def test_h264_that_was_left_over_becomes_an_mp4(tmp_path: Path) -> None:
    async with studio(tmp_path) as made:
        source = made.source("H264")
        recording = await made.record(source)
        made.play(source)
        await written(recording)
        shutil.copy(tmp_path / f"news.mp4{PART}", tmp_path / f"killed.mp4{PART}")
        recording.finish()
        await ended(recording)
        shutil.copy(tmp_path / "news.mkv", tmp_path / "remuxed.mkv")
    (tmp_path / f"remuxed.mp4{PART}").write_bytes(b"half an MP4")
    async with studio(tmp_path) as made:
        assert made.recordings.counts.rescued == 2
    assert names(tmp_path) == ["killed.mp4", "news.mp4", "remuxed.mp4"]
    for name in names(tmp_path):
        assert pictures(tmp_path / name) >= 28


async def test_a_recording_that_has_no_room_for_its_next_file_ends(tmp_path: Path) -> None:
    changes = evolve(FREE, record_rotation=Rotation(max_bytes=4000), records_max_bytes=4000)
    async with studio(tmp_path, changes) as made:
        source = made.source()
        recording = await made.record(source)
        made.play(source)
        assert await ended(recording) == tmp_path / "news.webm"
        assert recording.reason is not None
        assert recording.reason.cause == "no-room"
    assert names(tmp_path) == ["news.webm"]


async def under_way(made: Studio) -> tuple[PlainSource, Recording]:
    """A publication, and its recording, which has written something."""
    source = made.source()
    recording = await made.record(source)
    made.play(source)
    await written(recording)
    return source, recording


async def test_another_process_goes_on_in_a_new_file_after_one_that_is_killed(tmp_path: Path) -> None:
    async with studio(tmp_path) as made:
        source, recording = await under_way(made)
        await go_on_after(signal.SIGKILL, made, recording)
        await until_written(made, recording, source)
        assert recording.finish() == "news-2.webm"
        assert await ended(recording) == tmp_path / "news-2.webm"
        assert not source.publication.ended, "nobody else notices"
    assert pictures(tmp_path / "news.webm") >= 28
    assert keys_first(tmp_path / "news-2.webm")
    counts = made.recordings.counts
    assert (counts.failed, counts.restarted, counts.finished, counts.files) == (0, 1, 1, 2)
    assert made.recordings.services.counts.failures["recorder"] == 1
    assert made.recordings.services.counts.running["recorder"] == 0


async def go_on_after(number: int, made: Studio, recording: Recording) -> None:
    """Send the process this signal, and wait for another one."""
    before = recording.pid
    assert before is not None
    os.kill(before, number)
    with trio.fail_after(60):
        while recording.pid in (None, before):  # noqa: ASYNC110 - nobody is told
            await trio.sleep(0.01)


async def until_written(made: Studio, recording: Recording, source: PlainSource) -> None:
    """Key frames come until something is in the file."""
    with trio.fail_after(60):
        while not recording.bytes:
            feed_key_frame(made, source)
            await trio.sleep(0.02)  # as cameras do: a picture now and then


async def test_a_recording_whose_processes_keep_dying_ends(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    told: list[RecordNotice] = []
    async with studio(tmp_path) as made:
        source = made.source()
        recording = made.recordings.start(evolve(made.request(source), tell=told.append))
        await recording.started.wait()
        made.play(source)
        await written(recording)
        for _ in range(RESTARTS[1]):
            await go_on_after(signal.SIGKILL, made, recording)
        assert recording.pid is not None
        os.kill(recording.pid, signal.SIGKILL)
        await ended(recording)
    assert (made.recordings.counts.restarted, made.recordings.counts.failed) == (RESTARTS[1], 1)
    assert [each.status for each in told].count(RecordStatus.FAILED) == 1
    assert told[0].status is RecordStatus.STARTED
    assert "The recorder has died" in [each.info for each in told]
    assert "recording goes on with another process" in caplog.text
    assert names(tmp_path) == ["news.webm"], "what has nothing in it is removed"


async def test_who_gives_up_waiting_for_a_recording_does_not_get_it_later(tmp_path: Path) -> None:
    async with studio(tmp_path) as made:
        recording = made.recordings.start(made.request(made.source()))
        with trio.CancelScope() as scope:
            scope.cancel()
            await until_begun(recording)
        assert recording.is_ending
        assert await ended(recording) is None


async def test_a_recording_ends_when_there_is_no_room_for_another_process(tmp_path: Path) -> None:
    async with studio(tmp_path, evolve(FREE, records_max_bytes=1000)) as made:
        _, recording = await under_way(made)
        assert recording.pid is not None
        os.kill(recording.pid, signal.SIGKILL)
        await ended(recording)
    assert made.recordings.counts.failed == 1
    assert names(tmp_path) == ["news.webm"]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM])
async def test_a_signal_to_all_processes_is_the_servers_to_obey(tmp_path: Path, number: int) -> None:
    async with studio(tmp_path) as made:
        _, recording = await under_way(made)
        assert recording.pid is not None
        os.kill(recording.pid, number)
        recording.finish()
        assert await ended(recording) == tmp_path / "news.webm"
        assert pictures(tmp_path / "news.webm") == 30
        assert made.recordings.counts.failed == 0


async def test_a_process_that_hangs_is_killed_and_another_one_goes_on(tmp_path: Path) -> None:
    async with studio(tmp_path) as made:
        source, recording = await under_way(made)
        assert recording.pid is not None
        os.kill(recording.pid, signal.SIGSTOP)
        await trio.testing.wait_all_tasks_blocked(0.05)  # what it reported before that is heard
        recording._silence.deadline = trio.current_time()  # as if the time had passed
        await go_on_after(0, made, recording)
        await until_written(made, recording, source)
        recording.finish()
        assert await ended(recording) == tmp_path / "news-2.webm"
        assert pictures(tmp_path / "news.webm") >= 28
        assert made.recordings.services.counts.hangs["recorder"] == 1


async def test_a_process_that_is_too_slow_misses_packets_and_a_key_frame_is_asked_for(tmp_path: Path) -> None:
    async with studio(tmp_path) as made:
        source, recording = await under_way(made)
        tap = recording._tap
        assert tap is not None
        assert recording.pid is not None
        os.kill(recording.pid, signal.SIGSTOP)
        number, asked = 1000, source.key_frames_asked
        while not (tap.dropped and source.key_frames_asked > asked):  # not more often than every 0.4 s
            header = build_header(payload_type=0, marker=True, sequence=number, timestamp=number * 3000, ssrc=1)
            source.feed(MediaKind.VIDEO, [header + vp8_key_frame(b"x" * 1100)] * 2)
            number += 1
        os.kill(recording.pid, signal.SIGCONT)
        source.publication.end()
        recording.finish()
        assert await ended(recording) == tmp_path / "news.webm"
        assert recording.dropped > 0
        assert made.recordings.counts.failed == 0


async def test_what_a_server_left_unfinished_is_finished_by_the_next_one(tmp_path: Path) -> None:
    async with studio(tmp_path) as made:
        _, recording = await under_way(made)
        leave_over(tmp_path)
        recording.finish()
        await ended(recording)
    async with studio(tmp_path) as made:
        assert made.recordings.counts.rescued == 1
        left, other = names(tmp_path)
        assert other == "news.webm"
        assert left.removeprefix("left-").removesuffix(".webm").isdecimal()
        assert pictures(tmp_path / left) >= 28


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"record_streams": False}, "record_streams"),
        ({"record_streams_app_keys": ("other",)}, "record_streams_app_keys"),
        ({"records_max_running": 0}, "records.max_running"),
    ],
)
async def test_a_recording_that_may_not_be_is_refused_at_once(
    tmp_path: Path, changes: dict[str, Any], setting: str
) -> None:
    async with studio(tmp_path, evolve(FREE, **changes)) as made:
        with pytest.raises(RecordingRefused) as refused:
            made.recordings.start(made.request(made.source()))
        assert refused.value.setting == setting
        assert made.recordings.counts.refused == 1


async def test_a_codec_that_no_file_can_have_is_named(tmp_path: Path) -> None:
    async with studio(tmp_path) as made:
        request = made.request(made.source())
        with pytest.raises(RecordingRefused, match="Streams with G722 are not recorded") as refused:
            made.recordings.start(evolve(request, facts=evolve(request.facts, audio_codec="G722")))
    assert recording_refusal(refused.value).status_hint == 409


@pytest.mark.parametrize(
    ("changes", "setting"),
    [({"records_max_bytes": 1}, "records.max_bytes"), ({"records_min_free": 1 << 50}, "records.min_free")],
)
async def test_a_recording_for_which_there_is_no_room_is_refused(
    tmp_path: Path, changes: dict[str, Any], setting: str
) -> None:
    shutil.copy(__file__, tmp_path / "other.webm")
    async with studio(tmp_path, evolve(FREE, **changes)) as made:
        recording = await made.record(made.source())
        assert recording.refusal is not None
        assert recording.refusal.setting == setting
        assert await ended(recording) is None
        assert names(tmp_path) == ["other.webm"]


async def test_without_a_socket_it_is_refused_and_nothing_is_left_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_arguments: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    async with studio(tmp_path) as made:
        source, opened = made.source(), len(names(Path("/proc/self/fd")))
        with monkeypatch.context() as patched:
            patched.setattr(socket, "socketpair", failing)
            recording = await made.record(source)
        assert await ended(recording) is None
        assert recording.refusal is not None
        assert len(names(Path("/proc/self/fd"))) <= opened
        assert names(tmp_path) == []


async def test_a_file_of_the_largest_size_ends_its_recording(tmp_path: Path) -> None:
    async with studio(tmp_path, evolve(FREE, records_max_file_bytes=4000)) as made:
        source = made.source()
        recording = await made.record(source)
        made.play(source)
        assert await ended(recording) == tmp_path / "news.webm"
        assert recording.reason is not None
        assert recording.reason.cause == "max-size"
        assert pictures(tmp_path / "news.webm") == 30
        assert len(made.recordings) == 0


async def test_applications_are_for_pages_and_not_for_operators(tmp_path: Path) -> None:
    async with studio(tmp_path, evolve(FREE, record_streams_app_keys=("other",))) as made:
        recording = made.recordings.start(made.request(made.source(), wish=RecordWish()))
        recording.finish()
        assert await ended(recording) is None, "nothing came"
        assert names(tmp_path) == []


async def test_the_end_of_the_server_waits_for_files(tmp_path: Path) -> None:
    async with studio(tmp_path) as made:
        source = made.source()
        await made.record(source)
        made.play(source)
    assert pictures(tmp_path / "news.webm") == 30
