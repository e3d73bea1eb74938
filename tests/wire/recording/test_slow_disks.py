"""A process that waits for its disk is not one that hangs."""

import os
import signal
from pathlib import Path

import pytest
import trio

from actors.workers.processes import silence, worker
from actors.workers.processes.process import WorkerProcess
from actors.workers.processes.silence import waits_for_disk
from actors.workers.recording.recording import Recording
from tests.support.workers.record_studio import Studio, ended, pictures, studio, written

STOPPED = frozenset({"T"})
"""The state of a process after SIGSTOP: a test cannot have a disk that does not answer."""


async def stopped(made: Studio) -> Recording:
    """A recording whose process stands still."""
    source = made.source()
    recording = await made.record(source)
    made.play(source)
    await written(recording)
    assert recording.pid is not None
    os.kill(recording.pid, signal.SIGSTOP)
    with trio.fail_after(60):
        while not waits_for_disk(recording.pid):  # noqa: ASYNC110 - nobody is told
            await trio.sleep(0.01)
    return recording


async def silent_for_too_long(recording: Recording) -> None:
    """As if the time had passed, and it were borne."""
    recording._silence.deadline = trio.current_time()
    with trio.fail_after(60):
        while recording._silence.deadline <= trio.current_time():  # noqa: ASYNC110 - nobody is told
            await trio.sleep(0.01)


async def test_a_process_that_waits_for_its_disk_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(silence, "WAITS_FOR_DISK", STOPPED)
    async with studio(tmp_path) as made:
        recording = await stopped(made)
        assert recording.pid is not None
        for _ in range(2):
            await silent_for_too_long(recording)
        os.kill(recording.pid, signal.SIGCONT)
        recording.finish()
        assert await ended(recording) == tmp_path / "news.webm"
        assert pictures(tmp_path / "news.webm") == 30
        counts = made.recordings.services.counts
        assert (counts.disk_waits["recorder"], counts.hangs["recorder"], counts.failures["recorder"]) == (2, 0, 0)
    assert "worker waits for a disk" in caplog.text


async def test_one_that_is_told_to_end_may_take_as_long_as_its_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter((True, True, False))
    monkeypatch.setattr(worker, "waits_for_disk", lambda pid: next(looks))
    for name in ("FINISH_TIMEOUT", "HANG_TIMEOUT"):
        monkeypatch.setattr(worker, name, 0.0)
    process = await trio.lowlevel.open_process(["sleep", "600"])
    await worker._kill_later(WorkerProcess(process))
    assert next(looks, None) is None
    assert await process.wait() == -signal.SIGKILL


def test_a_process_that_runs_and_one_that_is_gone_do_not_wait() -> None:
    assert not waits_for_disk(os.getpid())
    assert not waits_for_disk(2**22 + 1)
