"""Recordings that cannot become an MP4 stay what they are, and the log says so."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.workers.recording.record_folder import PART
from tests.support.workers.record_studio import ended, names, studio, written

Fault = Callable[[Path, pytest.MonkeyPatch], str]


async def leave_over(folder: Path) -> Path:
    """A recording in Matroska of which a server that has ended had not made an MP4 yet."""
    async with studio(folder) as made:
        source = made.source("H264")
        recording = await made.record(source)
        made.play(source)
        await written(recording)
        recording.finish()
        await ended(recording)
        left = Path(shutil.copy(folder / "news.mkv", folder / "left.mkv"))
    (folder / f"left.mp4{PART}").write_bytes(b"half an MP4")
    return left


def without_room(left: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The MP4 may have fewer bytes than its first box."""
    monkeypatch.setattr("actors.workers.recording.remuxing.ROOM", 10 - left.stat().st_size)
    return "disk-full"


def spoilt(left: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The file is none."""
    left.write_bytes(bytes(5000))
    return "failed"


@pytest.mark.parametrize("fault", [without_room, spoilt])
async def test_a_file_that_cannot_become_an_mp4_stays_and_the_log_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: Fault
) -> None:
    left = await leave_over(tmp_path)
    why = fault(left, monkeypatch)
    content = left.read_bytes()
    async with studio(tmp_path):
        pass
    assert names(tmp_path) == ["left.mkv", "news.mp4"]
    assert left.read_bytes() == content
    said = {record.getMessage(): record.__dict__["wcsd_fields"] for record in caplog.records}
    assert said["recording stays in Matroska"] == {"error": why, "file": "left.mkv"}
    assert not {"worker died", "worker complains"} & said.keys()
