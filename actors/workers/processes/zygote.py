"""The server's side of the process that workers are forked from; see `actors.workers.programs.zygote`.

It is started when the first worker is wanted that gains by it, and again after it has died; workers that run live on.
"""

import errno
import json
import os
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import trio

from actors.runtime.logs import get_logger
from actors.runtime.timeouts import fail_after
from actors.workers.processes.pipes import close_all, standard_pipes
from actors.workers.processes.program_start import start_program
from actors.workers.programs.zygote import PRELOADED

FORK_TIMEOUT: Final = 10.0
"""Seconds that it may take to fork, its own start included."""
IDLE_TIMEOUT: Final = 300.0
"""Seconds without any worker of its own after which it is ended."""
MOST_FAILURES: Final = 3
"""Forks that failed in a row after which no more are tried: this system has no pidfds, or forbids them."""
MAX_COMPLAINT: Final = 500
"""Characters of what it writes to its standard error that are logged at a time."""
_MAX_ANSWER: Final = 4096

log = get_logger("workers")


class ForkedProcess:
    """A process that another one has forked: what `WorkerProcess` needs of a `trio.Process`."""

    def __init__(self, pid: int, pidfd: int, ours: Sequence[int], released: Callable[[], None]) -> None:
        self.pid = pid
        self._released = released
        self._pidfd = pidfd
        self.stdin = trio.lowlevel.FdStream(ours[0])
        self.stdout, self.stderr, self._status = map(trio.lowlevel.FdStream, ours[1:])
        self._exit_code: int | None = None
        self._waiting = trio.Lock()

    async def wait(self) -> int:
        """Wait for its end; the exit status, negative: the signal. 1, if nobody is left who knows it."""
        async with self._waiting:
            if self._exit_code is None:
                await trio.lowlevel.wait_readable(self._pidfd)
                told = await self._status.receive_some(16)
                self._exit_code = int(told) if told else 1
        return self._exit_code

    def kill(self) -> None:
        """End it at once. One that has ended is ignored."""
        if self._exit_code is None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def release(self) -> None:
        """Close what stands for it, after its end."""
        await self._status.aclose()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
            self._released()


class Zygote:
    """See above. `run` holds it; without that nothing is forked."""

    def __init__(self) -> None:
        self.starts = 0
        self._process: trio.Process | None = None
        self._channel: socket.socket | None = None
        self._turn = trio.Lock()
        self._nursery: trio.Nursery | None = None
        self._used_at = 0.0
        self._living = 0
        """Workers that it has forked, and that have not ended: they share its memory, so it costs little meanwhile."""
        self._failures = 0
        """In a row."""

    def forks(self, program: str) -> bool:
        """Whether the next worker of this program is forked."""
        return self._nursery is not None and self._failures < MOST_FAILURES and program in PRELOADED

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hold the process, if one is needed, until cancelled."""
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                while True:
                    await trio.sleep(IDLE_TIMEOUT)
                    await self._end_if_idle()
        finally:
            self._nursery = None
            with trio.CancelScope(shield=True):  # a killed process ends at once
                await self._end()

    async def fork(self, program: str, descriptors: Sequence[int]) -> ForkedProcess:
        """A new process that runs this program, with these descriptors under their numbers. Raises OSError."""
        async with self._turn:
            self._used_at = trio.current_time()
            with trio.CancelScope(shield=True):  # else an answer would be taken for that to the next request
                process = await self._try_to_fork(program, descriptors)
                if isinstance(process, ForkedProcess):
                    self._failures = 0
                    return process
                self._failures += 1
                if self._failures == MOST_FAILURES:
                    log.error("workers are not forked any more", failures=MOST_FAILURES, error=str(process))
                await self._end()
        raise OSError(str(process) or "it hangs")

    # -- inside --------------------------------------------------------------------------------------------------

    async def _try_to_fork(self, program: str, descriptors: Sequence[int]) -> ForkedProcess | Exception:
        try:
            with fail_after(FORK_TIMEOUT):
                process = await self._fork(program, descriptors)
        except (OSError, ValueError, trio.TooSlowError) as error:
            return error
        return process

    async def _fork(self, program: str, descriptors: Sequence[int]) -> ForkedProcess:
        channel = self._channel or await self._start()
        theirs, ours = standard_pipes()
        try:
            request = json.dumps({"program": program, "numbers": list(descriptors)}).encode()
            socket.send_fds(channel, [request], [*theirs, *descriptors])
            await trio.lowlevel.wait_readable(channel)
            answer, passed, _, _ = socket.recv_fds(channel, _MAX_ANSWER, 1)
            if not answer:
                raise ConnectionResetError("it has died")
            if not passed:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            self._living += 1
            return ForkedProcess(json.loads(answer)["pid"], passed[0], ours, self._note_release)
        except BaseException:
            close_all(ours)
            raise
        finally:
            close_all(theirs)

    async def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._channel = ours
        with theirs:
            self._process = process = await start_program("zygote", stdin=theirs.fileno())
        self.starts += 1
        log.info("zygote started", pid=process.pid)
        if self._nursery is not None and process.stderr is not None:
            self._nursery.start_soon(_log_complaints, process.stderr)
        return ours

    def _note_release(self) -> None:
        self._living -= 1
        self._used_at = trio.current_time()

    async def _end_if_idle(self) -> None:
        async with self._turn:
            if not self._living and trio.current_time() - self._used_at >= IDLE_TIMEOUT:
                await self._end()

    async def _end(self) -> None:
        process, self._process = self._process, None
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()
        if process is not None:
            process.kill()
            await process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    await pipe.aclose()


async def _log_complaints(stderr: trio.abc.ReceiveStream) -> None:
    with suppress(trio.ClosedResourceError, trio.BrokenResourceError):
        async for chunk in stderr:
            log.warning("zygote complains", text=chunk.decode(errors="replace")[-MAX_COMPLAINT:])
