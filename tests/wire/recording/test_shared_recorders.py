"""Recorders that share a process: each ends alone, and what ends the process loses none of them."""

import itertools
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.runtime.actor import SHUTDOWN
from actors.workers.processes import shared_process, worker
from actors.workers.processes.pipes import close_all, standard_pipes
from actors.workers.processes.shared_process import LEAVE_TIMEOUT, MOST, RecorderHosts
from actors.workers.programs.recorders import SharedRecorders
from actors.workers.recording.recording import Recording
from tests.support.workers.record_studio import Studio, ended, feed_key_frame, names, pictures, studio, written


async def recordings(made: Studio, count: int) -> list[Recording]:
    return [await made.record(made.source(), f"m{number}") for number in range(count)]


async def test_so_many_share_a_process_and_it_ends_with_the_last_of_them(tmp_path: Path) -> None:
    async with studio(tmp_path) as made:
        hosts = made.recordings.services.recorder_hosts
        many = await recordings(made, MOST + 1)
        pids = [each.pid for each in many]
        assert len(set(pids[:MOST])) == 1
        assert pids[MOST] not in pids[:MOST]
        assert len(hosts) == 2
        many[MOST].finish()
        await ended(many[MOST])
        assert len(hosts) == 1
        many[0].finish()
        await ended(many[0])
        assert (await made.record(made.source(), "new")).pid == pids[0], "there is room again"


async def test_each_has_its_own_file_and_ends_alone(tmp_path: Path) -> None:
    async with studio(tmp_path) as made:
        first, second = made.source(), made.source()
        both = [await made.record(first, "m1"), await made.record(second, "m2")]
        assert both[0].pid == both[1].pid
        made.play(first)
        made.play(second, 0.0, 1.0)
        first.publication.end()
        assert await ended(both[0]) == tmp_path / "news.webm"
        made.play(second, 1.0)
        both[1].finish()
        assert await ended(both[1]) == tmp_path / "news-2.webm"
    assert [pictures(tmp_path / name) for name in ("news.webm", "news-2.webm")] == [30, 30]


async def test_when_the_process_dies_each_goes_on_in_one_of_its_own(tmp_path: Path) -> None:
    async with studio(tmp_path) as made:
        sources = [made.source(), made.source()]
        both = [await made.record(source, f"m{number}") for number, source in enumerate(sources)]
        for source, recording in zip(sources, both, strict=True):
            made.play(source)
            await written(recording)
        shared = both[0].pid
        assert shared is not None
        os.kill(shared, signal.SIGKILL)
        for source, recording in zip(sources, both, strict=True):
            with trio.fail_after(60):
                while recording.pid in (None, shared):  # noqa: ASYNC110 - nobody is told
                    await trio.sleep(0.01)
                while not recording.bytes or recording.files == 0:
                    feed_key_frame(made, source)
                    await trio.sleep(0.02)
        assert both[0].pid != both[1].pid
        for recording in both:
            recording.finish()
            await ended(recording)
        assert made.recordings.services.counts.failures["recorder"] == 2
        assert len(made.recordings.services.recorder_hosts) == 0
    assert names(tmp_path) == [f"news{part}.webm" for part in ("-2", "-3", "-4", "")]


async def test_one_that_fails_does_so_alone(tmp_path: Path) -> None:
    async with studio(tmp_path) as made:
        source = made.source()
        failing, other = await made.record(made.source(), "m1"), await made.record(source, "m2")
        shared, process = failing.pid, failing._process
        assert process is not None
        assert process._process.stdin is not None
        await process._process.stdin.send_all(b"no JSON\n")
        with trio.fail_after(60):
            while failing.pid in (None, shared):  # noqa: ASYNC110 - it goes on in another process
                await trio.sleep(0.01)
        made.play(source)
        await written(other)
        assert other.pid == shared
        assert made.recordings.services.counts.failures["recorder"] == 1
        other.finish()
        assert await ended(other) is not None


async def test_one_that_is_stopped_at_once_does_not_take_others_along(tmp_path: Path) -> None:
    async with studio(tmp_path) as made:
        first, source = made.source(), made.source()
        stopped, other = await made.record(first, "m1"), await made.record(source, "m2")
        shared = other.pid
        made.play(first)
        await written(stopped)
        stopped.stop(SHUTDOWN)
        await ended(stopped)
        made.play(source)
        await written(other)
        assert other.pid == shared is not None
        assert made.recordings.services.counts.failures["recorder"] == 0


async def test_files_are_finished_and_nothing_stays_when_all_are_stopped_in_a_process_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Recording.cleanup_timeout >= 2 * LEAVE_TIMEOUT
    monkeypatch.setattr(shared_process, "LEAVE_TIMEOUT", 1.0)
    monkeypatch.setattr(Recording, "cleanup_timeout", 60.0)
    async with studio(tmp_path) as made:
        source = made.source()
        stopped, other = await made.record(source, "m1"), await made.record(made.source(), "m2")
        made.play(source)
        await written(stopped)
        assert stopped.pid is not None
        assert stopped.pid == other.pid
        os.kill(stopped.pid, signal.SIGSTOP)
        for each in (stopped, other):
            each.stop(SHUTDOWN)
        assert await ended(stopped) == tmp_path / "news.webm"
        await ended(other)
        assert names(tmp_path) == ["news.webm"]
        assert len(made.recordings.services.recorder_hosts) == 0


async def test_one_that_is_to_end_while_the_disk_stands_still_does_not_take_others_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "FINISH_TIMEOUT", 0.0)
    async with studio(tmp_path) as made:
        source = made.source()
        ending, other = await made.record(source, "m1"), await made.record(made.source(), "m2")
        made.play(source)
        await written(ending)
        shared = other.pid
        assert shared is not None
        os.kill(shared, signal.SIGSTOP)
        ending.finish()
        await wait_all_tasks_blocked(0.05)
        os.kill(shared, signal.SIGCONT)
        assert await ended(ending) == tmp_path / "news.webm"
        assert other.pid == shared
        assert made.recordings.services.counts.failures["recorder"] == 0


async def test_one_that_is_cancelled_while_it_is_left_keeps_no_place(tmp_path: Path) -> None:
    async with studio(tmp_path) as made:
        recording = await made.record(made.source())
        process = recording._process
        assert process is not None
        with trio.CancelScope() as scope:
            scope.cancel()
            await process.close()
        assert len(made.recordings.services.recorder_hosts) == 0


def test_a_file_that_cannot_be_closed_ends_no_other_recorder() -> None:
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(3)]
    (requests, theirs), (_, tap), (_, files) = pairs
    inner, ours = standard_pipes()
    # The tap is closed before the file, which then is none.
    job = {"tap": 1, "file": 1, "files": 2, "max_bytes": 9, "min_free": 0, "read_interval": 0.1}
    os.write(ours[0], json.dumps(job | {"rotation": {"bytes": 0, "ms": 0}}).encode() + b"\n")
    numbers = json.dumps({"numbers": [1, 2]}).encode()
    socket.send_fds(requests, [numbers], [*inner, tap.fileno(), files.fileno()])
    close_all([ours[0], *inner])
    requests.close()
    SharedRecorders(theirs, {}).run()
    for end in itertools.chain(*pairs):
        end.close()
    events, complaints, status = (os.read(end, 10_000).decode() for end in ours[1:])
    close_all(ours[1:])
    assert json.loads(events.splitlines()[-1])["event"] == "done"
    assert complaints == "a file cannot be closed: Bad file descriptor\n"
    assert status == "0"


async def test_a_process_that_is_started_while_they_all_end_ends_too() -> None:
    hosts = RecorderHosts()
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            async with no_threads(), trio.open_nursery() as holding:
                await holding.start(hosts.run)
                nursery.start_soon(refused, hosts)
                await wait_all_tasks_blocked()
                holding.cancel_scope.cancel()
    assert len(hosts) == 0


@asynccontextmanager
async def no_threads() -> AsyncIterator[None]:
    """Nothing can be done in threads inside, such as to start a process."""
    limiter = trio.to_thread.current_default_thread_limiter()
    number, limiter.total_tokens = limiter.total_tokens, 1
    async with limiter:
        yield
    limiter.total_tokens = number


async def refused(hosts: RecorderHosts) -> None:
    with pytest.raises(OSError, match="not held any more"):
        await hosts.admit([], 1 << 20)
