"""File names in the folder of recordings: none is given twice, whatever is there; what is left over is finished."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from socket import AF_UNIX, SOCK_SEQPACKET, socketpair
from typing import Any

import av
import pytest
import trio

import actors
from actors.node.supervisor import Supervisor
from actors.storage.node_folders import folders_beside
from actors.storage.report_folder import ReportFolder
from actors.stream.recorder import StreamRecorder
from actors.workers.programs.recorder import KEY_FRAME_INTERVAL
from actors.workers.programs.recording.part_file import mend_file
from actors.workers.recording.record_folder import MATROSKA, MP4, PART, WEBM, DiskLimits, RecordFolder
from actors.workers.recording.record_groups import RecordGroups
from actors.workers.recording.recordings import Recordings
from config.settings import Settings
from protocol.containers.frames import Frame
from protocol.containers.matroska import MatroskaTrack, MatroskaWriter
from protocol.taps import TrackFormat, end_record, info_record, rtp_record
from tests.support.media.rtp_packets import build_header
from tests.support.webrtc.media_peer import vp8_key_frame

VP8 = TrackFormat("VP8", 90_000)


def unfinished_file() -> bytes:
    writer = MatroskaWriter((MatroskaTrack(VP8, 320, 240),))
    return writer.begin() + writer.add(0, Frame(b"frame", is_key=True), 0)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_name_is_not_given_while_its_unfinished_file_is_there(tmp_path: Path) -> None:
    folder = RecordFolder(tmp_path)
    (tmp_path / f"news{WEBM}{PART}").touch()
    name = folder.reserve("news", WEBM)
    assert name == "news-2.webm"
    os.close(folder.open_part(name, DiskLimits(max_bytes=1, min_free=0)))


@pytest.mark.parametrize(("first", "second"), [(MP4, MATROSKA), (MATROSKA, MP4)])
def test_files_that_are_matroska_before_they_are_finished_share_no_name(
    tmp_path: Path, first: str, second: str
) -> None:
    folder = RecordFolder(tmp_path)
    assert folder.reserve("news", first) == f"news{first}"
    assert folder.reserve("news", second) == f"news-2{second}"


def test_a_name_with_many_files_is_given_after_few_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, looks = RecordFolder(tmp_path), list[str]()
    for number in range(1, 1001):
        (tmp_path / (f"news-{number}.webm" if number > 1 else "news.webm")).touch()
    lexists = os.path.lexists

    def counted(path: Path) -> bool:
        looks.append(path.name)
        return lexists(path)

    monkeypatch.setattr(os.path, "lexists", counted)
    assert folder.reserve("news", WEBM) == "news-1001.webm"
    assert folder.reserve("news", WEBM) == "news-1002.webm"
    assert len(looks) < 100


def test_a_file_that_goes_while_the_folder_is_looked_at_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.webm", "b.webm.part"):
        (tmp_path / name).write_bytes(b"12345")
    folder = RecordFolder(tmp_path)
    entries = list(folder._entries())
    (tmp_path / "b.webm.part").rename(tmp_path / "b.webm")  # it is finished meanwhile
    monkeypatch.setattr(folder, "_entries", lambda: iter(entries))
    assert folder.usage() == 5


def test_a_left_over_file_gets_a_name_that_nobody_has(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "c.webm")  # no file of ours, and its name is taken
    for name in ("b", "c"):
        (tmp_path / f"{name}.webm{PART}").write_bytes(unfinished_file())
    folder = RecordFolder(tmp_path)
    assert folder.unfinished() == ["b.webm", "c.webm"]
    assert [folder.rescue(name) for name in folder.unfinished()] == ["b.webm", "c-2.webm"]


async def test_a_file_that_cannot_be_finished_is_told_and_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.webm{PART}").write_bytes(unfinished_file())
    ftruncate, failures = os.ftruncate, [OSError("no")]

    def failing_once(descriptor: int, length: int) -> None:
        if failures:
            raise failures.pop()
        ftruncate(descriptor, length)

    monkeypatch.setattr(os, "ftruncate", failing_once)
    recordings = Recordings(Settings(), tmp_path, lambda: 5.0)
    async with trio.open_nursery() as nursery:
        await nursery.start(recordings.run)
        nursery.cancel_scope.cancel()
    assert recordings.counts.rescued == 1
    assert names(tmp_path) == [f"a.webm{PART}", "b.webm"]


LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
os.execv(sys.argv[1], sys.argv[1:])
"""


def run_recorder(folder: Path, messages: Sequence[bytes], *before: str) -> list[dict[str, Any]]:
    """The recorder, run for these messages with `file` in the folder; what it has told. `before`: what starts it."""
    ours, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
    no_files, files = socketpair(AF_UNIX, SOCK_SEQPACKET)
    with ours, theirs, no_files, files, (folder / "file").open("w+b") as file:
        for message in messages:
            ours.send(message)
        job = {"tap": theirs.fileno(), "file": file.fileno(), "files": files.fileno()}
        rotation = {"bytes": None, "ms": None}
        limits = {"max_bytes": 1 << 20, "min_free": 0, "read_interval": 0.0, "rotation": rotation}
        recorder = subprocess.run(
            [*before, sys.executable, "-P", "-m", "actors.workers.programs.recorder"],
            input=json.dumps({**job, **limits}) + "\n",
            pass_fds=tuple(job.values()),
            env={"PYTHONPATH": str(Path(actors.__file__).parents[1])},
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
    return [json.loads(line) for line in recorder.stdout.splitlines()]


def test_malformed_payloads_make_a_recorder_ask_for_few_key_frames(tmp_path: Path) -> None:
    messages = [info_record([VP8], 0.0)]
    for number in range(100):
        counter = bytes((0, number))
        messages.append(rtp_record(0, number, 1.0, b"\x80\x80" + counter + bytes(2) + counter + bytes(5)))
    events = run_recorder(tmp_path, messages)
    assert events[-1]["malformed"] == 100
    assert 1 <= sum(event["event"] == "keyframe" for event in events) <= 2 + 1 / KEY_FRAME_INTERVAL


def test_a_full_disk_ends_a_recording_whose_file_plays(tmp_path: Path) -> None:
    messages = [info_record([VP8], 0.0)]
    for number in range(20):
        header = build_header(payload_type=0, marker=True, sequence=number, timestamp=number * 3000, ssrc=1)
        messages.append(rtp_record(0, number, 1.0, header + vp8_key_frame(b"x" * 500)))
    events = run_recorder(tmp_path, [*messages, end_record(2.0)], sys.executable, "-c", LIMITED)
    assert (events[-1]["event"], events[-1]["why"]) == ("done", "disk-full")
    with (tmp_path / "file").open("r+b") as file:
        assert file.seek(0, os.SEEK_END) <= 4096
        mended = mend_file(file.fileno())
    assert mended is not None
    with av.open(str(tmp_path / "file"), "r") as opened:
        assert sum(1 for packet in opened.demux() if packet.size) >= 5


def test_nodes_of_one_machine_give_no_name_twice_and_find_the_files_of_all(tmp_path: Path) -> None:
    folders = []
    for number in range(3):
        own = tmp_path / f"node-{number}" / "records"
        own.mkdir(parents=True)
        folders.append(RecordFolder(own, partial(folders_beside, own)))
    first, second, third = folders
    name = first.reserve("news", WEBM)
    first.write(name, b"")
    assert second.reserve("news", WEBM) == "news-2.webm"
    (third.path / f"sport{WEBM}.part").touch()
    assert first.reserve("sport", WEBM) == "sport-2.webm"
    assert [each.is_begun_beside("sport.mp4") for each in folders] == [True, True, False]
    assert second.beside() == [first.path, third.path]
    assert folders_beside(tmp_path / "records" / "node-1") == []
    reports = ReportFolder(first.path, beside=folders_beside)
    report = reports.new_name()
    (third.path / report).touch()
    assert reports.find(report) == third.path / report
    assert ReportFolder(first.path).find(report) is None


async def test_other_nodes_folders_are_looked_at_in_threads(tmp_path: Path) -> None:
    threads = set[threading.Thread]()

    def beside(own: Path) -> Sequence[Path]:
        threads.add(threading.current_thread())
        return [tmp_path]

    settings, supervisor = Settings(), Supervisor()
    alone = Recordings(settings, tmp_path / "own", lambda: 5.0)
    recordings = Recordings(settings, tmp_path / "own", lambda: 5.0, beside=beside)
    (tmp_path / f"news{WEBM}{PART}").touch()
    found = []
    for each in (alone, recordings):
        recorder = StreamRecorder(supervisor, each, RecordGroups(each, settings, lambda: 5.0))
        found.append(await recorder.is_begun_beside("news.webm"))
    assert found == [False, True]
    assert threads
    assert threading.main_thread() not in threads
