"""Recorders that share a process; see `actors.workers.programs.recorders`.

Alone, one costs 9 MB and its own wake-ups; among others, a fraction of both. What ends the process ends all in it, so
it has MOST at most, and those that go on after that have their own processes.
"""

import json
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import trio

from actors.runtime.logs import get_logger
from actors.workers.processes.pipes import close_all, standard_pipes
from actors.workers.processes.program_start import start_program

MOST: Final = 10
"""Recorders of a process."""
EXIT_TIMEOUT: Final = 1.0
"""Seconds in which a process ends that a recorder was lost with."""
LEAVE_TIMEOUT: Final = 5.0
"""Seconds that a recorder may take to end when nobody gives it commands any more; then its whole process is killed."""
END_TIMEOUT: Final = 5.0
"""Seconds that a process may take to end when it has no recorder any more."""
MAX_COMPLAINT: Final = 500
"""Characters of what it writes to its standard error that are logged at a time."""

log = get_logger("workers")


class SharedProcess:
    """A recorder in a process with others: what `WorkerProcess` needs of a `trio.Process`.

    `leave` ends it alone; `kill` ends the process.
    """

    def __init__(self, host: "RecorderHost", ours: Sequence[int]) -> None:
        self.pid = host.pid
        self.stdin = trio.lowlevel.FdStream(ours[0])
        self.stdout, self.stderr, self._status = map(trio.lowlevel.FdStream, ours[1:])
        self._host = host
        self._exit_code: int | None = None
        self._waiting = trio.Lock()
        self._is_released = False

    async def wait(self) -> int:
        """Wait for its end; the exit status, or that of the process. Negative: the signal."""
        async with self._waiting:
            if self._exit_code is None:
                told = await self._status.receive_some(16)
                self._exit_code = int(told) if told else await self._host.exit_code()
        return self._exit_code

    def kill(self) -> None:
        """End the process, and all in it, at once. If this one has ended, nothing happens."""
        if self._exit_code is None:
            self._host.kill()

    async def leave(self) -> None:
        """End it, and wait for that."""
        await self.stdin.aclose()
        with trio.move_on_after(LEAVE_TIMEOUT):
            await self.wait()
        self.kill()
        await self.wait()

    async def release(self) -> None:
        """Close what stands for it, after its end."""
        await self._status.aclose()
        if not self._is_released:
            self._is_released = True
            self._host.release()


class RecorderHost:
    """A process for several recorders. `on_empty` is called when the last one has left it."""

    def __init__(
        self, process: trio.Process, requests: socket.socket, on_empty: Callable[["RecorderHost"], None]
    ) -> None:
        self.members = 0
        self.is_gone = False
        """Whether it takes no more recorders, since it has ended; those that it had still have to notice."""
        self._process = process
        self._requests = requests
        self._on_empty = on_empty

    @classmethod
    async def start(cls, max_file: int, on_empty: Callable[["RecorderHost"], None]) -> "RecorderHost":
        """`max_file`: bytes that a file may have. Raises OSError."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        try:
            with theirs:
                process = await start_program("recorders", (), str(max_file), stdin=theirs.fileno())
        except BaseException:
            ours.close()
            raise
        return cls(process, ours, on_empty)

    @property
    def pid(self) -> int:
        return self._process.pid

    def admit(self, descriptors: Sequence[int]) -> SharedProcess:
        """A recorder that gets these descriptors. Raises OSError if the process is gone."""
        theirs, ours = standard_pipes()
        try:
            request = json.dumps({"numbers": list(descriptors)}).encode()
            socket.send_fds(self._requests, [request], [*theirs, *descriptors])
        except BaseException:
            self.is_gone = True
            close_all(ours)
            raise
        finally:
            close_all(theirs)
        self.members += 1
        return SharedProcess(self, ours)

    def release(self) -> None:
        """A recorder has ended."""
        self.members -= 1
        if not self.members:
            self._requests.close()
            self._on_empty(self)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    async def exit_code(self) -> int:
        """Of the process, whose recorder has gone without a word; 1 if it lives on without that."""
        with trio.move_on_after(EXIT_TIMEOUT):
            return await self._process.wait()
        return 1

    async def log_complaints(self) -> None:
        """Until its end."""
        if self._process.stderr is not None:
            with suppress(trio.ClosedResourceError, trio.BrokenResourceError):
                async for chunk in self._process.stderr:
                    log.warning("recorders complain", text=chunk.decode(errors="replace")[-MAX_COMPLAINT:])

    async def end(self) -> None:
        """It has no recorder any more: wait for its end, or kill it."""
        self._requests.close()
        with trio.CancelScope(shield=True):
            with trio.move_on_after(END_TIMEOUT):
                await self._process.wait()
            self._process.kill()
            await self._process.wait()
            for pipe in (self._process.stdout, self._process.stderr):
                if pipe is not None:
                    await pipe.aclose()


class RecorderHosts:
    """The processes that recorders share. `run` holds them; without that nothing is shared."""

    def __init__(self) -> None:
        self._hosts: dict[RecorderHost, int] = {}
        """With the bytes that their files may have."""
        self._turn = trio.Lock()
        self._nursery: trio.Nursery | None = None

    def __len__(self) -> int:
        return len(self._hosts)

    @property
    def are_held(self) -> bool:
        return self._nursery is not None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hold the processes until cancelled."""
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None
            for host in tuple(self._hosts):
                host.kill()
                with trio.move_on_after(END_TIMEOUT, shield=True):  # a killed process ends at once
                    await host.end()
            self._hosts.clear()

    async def admit(self, descriptors: Sequence[int], max_file: int) -> SharedProcess:
        """A recorder in a process that has room, or in a new one. Raises OSError."""
        async with self._turn:
            for host, most in self._hosts.items():
                if most == max_file and host.members < MOST and not host.is_gone:
                    with suppress(OSError):  # it has just ended
                        return host.admit(descriptors)
            if not self.are_held:
                raise OSError("recorders are not held")
            host = await RecorderHost.start(max_file, self._emptied)
            if self._nursery is None:  # `run` was cancelled meanwhile
                await host.end()
                raise OSError("recorders are not held any more")
            self._hosts[host] = max_file
            self._nursery.start_soon(host.log_complaints)
            log.info("process for recorders started", pid=host.pid)
            try:
                return host.admit(descriptors)
            except OSError:
                self._emptied(host)
                raise

    def _emptied(self, host: RecorderHost) -> None:
        self._hosts.pop(host, None)
        if self._nursery is not None:
            self._nursery.start_soon(host.end)


class SharedRecorder:
    """How a recorder begins in a process with others; see `ProgramSource`."""

    def __init__(self, hosts: RecorderHosts, max_file: int) -> None:
        self._hosts, self._max_file = hosts, max_file

    async def fork(self, program: str, descriptors: Sequence[int]) -> SharedProcess:
        """Raises OSError."""
        return await self._hosts.admit(descriptors, self._max_file)
