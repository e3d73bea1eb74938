"""Workers that are forked: they are as those that are started, and outlive the process that they come from."""

import errno
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import trio
from attrs import define, field

from actors.workers.processes.process import WorkerProcess
from actors.workers.processes.zygote import MOST_FAILURES, Zygote

PATIENCE = 60.0


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine takes long to start the zygote: no worker is to be started without it for that."""
    monkeypatch.setattr("actors.workers.processes.zygote.FORK_TIMEOUT", PATIENCE)


@asynccontextmanager
async def zygote() -> AsyncIterator[Zygote]:
    async with trio.open_nursery() as nursery:
        made = Zygote()
        await nursery.start(made.run)
        yield made
        nursery.cancel_scope.cancel()


@define(eq=False)
class Snapshotter:
    """A worker that runs, and what it has told."""

    process: WorkerProcess
    ready: trio.Event = field(factory=trio.Event)
    done: trio.Event = field(factory=trio.Event)

    @property
    def pid(self) -> int:
        return self.process.pid

    async def hear(self) -> None:
        async for told in self.process.events():
            heard = {"ready": self.ready, "done": self.done}.get(told["event"])
            if heard is not None:
                heard.set()

    async def stop(self) -> int:
        """Tell it to end, and wait for that; its exit status."""
        await self.process.send({"do": "stop"})
        with trio.fail_after(PATIENCE):
            await self.done.wait()
            return await self.process.wait()


@asynccontextmanager
async def snapshotter(source: Zygote) -> AsyncIterator[Snapshotter]:
    """A worker that is ready, and ends with the block."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        descriptor = theirs.fileno()
        process = await WorkerProcess.start("snapshotter", {"requests": descriptor}, (descriptor,), source)
    running = Snapshotter(process)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(running.hear)
        try:
            with trio.fail_after(PATIENCE):
                await running.ready.wait()
            yield running
        finally:
            ours.close()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + PATIENCE):
                await process.close()


def parent_of(pid: int) -> int:
    return psutil.Process(pid).ppid()


def open_descriptors() -> int:
    """How many this process has."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def zygote_pid(source: Zygote) -> int:
    assert source._process is not None
    return source._process.pid


async def test_a_forked_worker_has_the_descriptors_that_it_was_given_and_no_others() -> None:
    async with zygote() as source, snapshotter(source) as process:
        assert parent_of(process.pid) == zygote_pid(source)
        held = {each.name for each in Path(f"/proc/{process.pid}/fd").iterdir()}  # noqa: ASYNC240 - not on a disk
        assert len(held - {"0", "1", "2"}) == 1
        assert await process.stop() == 0


async def test_a_worker_that_is_killed_has_a_status_and_one_that_fails_too() -> None:
    async with zygote() as source:
        async with snapshotter(source) as process:
            process.process.kill()
            with trio.fail_after(PATIENCE):
                assert await process.process.wait() == -signal.SIGKILL
        failing = await WorkerProcess.start("snapshotter", {}, (), source)
        with trio.fail_after(PATIENCE):
            complaints = [line async for line in failing.complaints()]
            assert "KeyError: 'requests'" in complaints
            assert await failing.wait() == 1
        await failing.close()


async def test_workers_outlive_a_zygote_that_dies_and_the_next_one_comes_from_another() -> None:
    async with zygote() as source, snapshotter(source) as process:
        died = zygote_pid(source)
        os.kill(died, signal.SIGKILL)
        async with snapshotter(source) as other:  # the first that notices is started as any program
            assert parent_of(other.pid) == os.getpid()
        async with snapshotter(source) as third:
            assert parent_of(third.pid) == zygote_pid(source) != died
        assert await process.stop() == 1, "nobody is left who knows the status"
        assert source.starts == 2


async def test_a_zygote_that_hangs_is_ended_and_the_worker_started_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with zygote() as source, snapshotter(source):
        hanging = zygote_pid(source)
        os.kill(hanging, signal.SIGSTOP)
        monkeypatch.setattr("actors.workers.processes.zygote.FORK_TIMEOUT", 0.1)
        async with snapshotter(source) as other:
            assert parent_of(other.pid) == os.getpid()
        assert not psutil.pid_exists(hanging)


async def test_workers_end_with_the_server_and_so_does_the_zygote() -> None:
    async with zygote() as source:
        async with snapshotter(source) as process:
            pids = [process.pid, zygote_pid(source)]
        assert source.starts == 1
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []


async def test_what_is_forked_depends_on_the_program() -> None:
    assert not Zygote().forks("snapshotter"), "without its service nothing is"
    async with zygote() as source:
        assert source.forks("snapshotter")
        assert not source.forks("recorder"), "it has no need of what takes long to load"


async def test_one_that_nobody_uses_is_ended() -> None:
    async with zygote() as source:
        async with snapshotter(source):
            source._used_at -= 1000.0  # as if the time had passed
            await source._end_if_idle()
            assert source._process is not None, "it shares its memory with a worker that lives"
        await source._end_if_idle()
        assert source._process is not None
        source._used_at -= 1000.0
        await source._end_if_idle()
        assert source._process is None


async def test_where_forking_never_works_it_is_not_tried_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.workers.processes.zygote.FORK_TIMEOUT", 0.0)
    async with zygote() as source:
        for _ in range(MOST_FAILURES):
            assert source.forks("snapshotter")
            with pytest.raises(OSError, match="it hangs"):
                await source.fork("snapshotter", ())
        assert not source.forks("snapshotter")


async def test_without_descriptors_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, left = os.pipe, [1, 2]

    def scarce() -> tuple[int, int]:
        if not left:
            raise OSError(errno.EMFILE, "Too many open files")
        left.pop()
        return pipe()

    async with zygote() as source, snapshotter(source):
        held = open_descriptors()
        with monkeypatch.context() as patched:
            patched.setattr(os, "pipe", scarce)
            await expect_failure(source)
        assert open_descriptors() < held, "the zygote has ended, and nothing else is open"
        async with snapshotter(source):
            pass


async def expect_failure(source: Zygote) -> None:
    """A fork that fails because descriptors are missing."""
    with pytest.raises(OSError, match="Too many open files"):
        await source.fork("snapshotter", ())


async def test_an_answer_without_its_descriptor_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    receive = socket.recv_fds

    def without(*arguments: Any) -> tuple[bytes, list[int], int, Any]:
        data, descriptors, flags, address = receive(*arguments)
        for descriptor in descriptors:
            os.close(descriptor)
        return data, [], flags, address

    async with zygote() as source:
        monkeypatch.setattr(socket, "recv_fds", without)
        await expect_failure(source)
