"""One worker process: how it is started, its control lines, and how it is made to end.

The program gets its job as the first line on its standard input, and the descriptors that are for it. It reports events
as JSON lines; what it writes to standard error becomes log lines. It ends when its standard input does, whatever has
become of the server. (PR_SET_PDEATHSIG would not do: it goes by the thread that started the process, which ends.)
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

import trio

from actors.runtime.logs import get_logger
from actors.workers.processes.program_start import start_program
from actors.workers.processes.shared_process import SharedProcess
from actors.workers.processes.zygote import ForkedProcess

MAX_LINE: Final = 64 << 10
"""Bytes of a line; a program that writes longer ones is not ours any more."""

log = get_logger("workers")


class WorkerSilent(Exception):
    """The process does not speak its protocol."""


class ProgramSource(Protocol):
    """What a program begins from, if it is not simply started."""

    async def fork(self, program: str, descriptors: Sequence[int]) -> ForkedProcess | SharedProcess:
        """It has these descriptors, under their numbers. Raises OSError."""


class WorkerProcess:
    """See above. `name` is the module under `actors.workers.programs`."""

    def __init__(self, process: trio.Process | ForkedProcess | SharedProcess) -> None:
        self._process = process
        self._sending = trio.Lock()

    @classmethod
    async def start(
        cls, name: str, job: Mapping[str, Any], descriptors: Sequence[int], source: ProgramSource | None = None
    ) -> "WorkerProcess":
        """Start the program, from `source` if there is one, and give it its job. Raises OSError."""
        started = cls(await _start(name, descriptors, source))
        try:
            await started.send(job)
        except BaseException:
            with trio.CancelScope(shield=True):  # a killed process ends at once
                await started.close()
            raise
        return started

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_shared(self) -> bool:
        """Whether others are in the same process."""
        return isinstance(self._process, SharedProcess)

    async def send(self, command: Mapping[str, Any]) -> None:
        """Give it a command. One that has ended hears nothing."""
        if self._process.stdin is not None:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                async with self._sending:
                    await self._process.stdin.send_all(json.dumps(command).encode() + b"\n")

    async def events(self) -> AsyncIterator[Mapping[str, Any]]:
        """What it reports, until it closes its output. Raises WorkerSilent for anything else."""
        async for line in _lines(self._process.stdout):
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                raise WorkerSilent("a line that is no JSON") from None
            if not isinstance(event, dict):
                raise WorkerSilent("a line that is no object")
            yield event

    async def complaints(self) -> AsyncIterator[str]:
        """The lines of its standard error."""
        async for line in _lines(self._process.stderr):
            yield line.decode(errors="replace")

    async def wait(self) -> int:
        """Wait for its end; the exit status, negative: the signal."""
        return await self._process.wait()

    def kill(self) -> None:
        """End it at once. One that has ended is ignored."""
        self._process.kill()

    async def close(self) -> None:
        """End it if it still runs, and release what it holds, which is not cancelled half way."""
        with trio.CancelScope(shield=True):  # a killed process ends at once
            if isinstance(self._process, SharedProcess):
                await self._process.leave()
            self._process.kill()
            await self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
                if pipe is not None:
                    await pipe.aclose()
            if not isinstance(self._process, trio.Process):
                await self._process.release()


async def _start(
    name: str, descriptors: Sequence[int], source: ProgramSource | None
) -> trio.Process | ForkedProcess | SharedProcess:
    if source is not None:
        try:
            return await source.fork(name, descriptors)
        except OSError as error:
            log.warning("worker is not forked, but started anew", program=name, error=str(error))
    return await start_program(name, descriptors)


async def _lines(pipe: "trio.abc.ReceiveStream | None") -> AsyncIterator[bytes]:
    """The lines that come from a pipe. Raises WorkerSilent for one that is too long."""
    if pipe is None:
        return
    rest = b""
    async for chunk in pipe:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line
        if len(rest) > MAX_LINE:
            raise WorkerSilent("a line that does not end")
