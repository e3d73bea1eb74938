"""WCS's `on_record_hook_script`: a program of the operator that is run for each finished file of a recording.

It gets the stream's name and the file's absolute path as its two arguments, never by a shell: any text may be in them.
It runs in a session, and so a process group, of its own; when its time is over, the whole group is killed.
"""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final

import trio
from attrs import define

from actors.runtime.logs import RateLimitedLog, get_logger
from config.settings import Settings
from protocol.stream.record_names import STOCK_HOOK_SCRIPT

AT_ONCE: Final = 4
"""Scripts that run at a time; the others wait."""
MOST_WAITING: Final = 1000
"""Files that wait for their script; for further ones it is not run."""
END_TIMEOUT: Final = 5.0
"""Seconds for one that was killed to end, which it does at once unless the system is stuck."""
STILL_RUNS: Final = -1000
"""In the place of the exit status of one that could not be killed."""
MAX_LINE: Final = 500
"""Bytes of the last thing that it says on its standard error; they are logged."""
_KEPT: Final = ("PATH", "LANG", "LC_ALL", "TZ", "HOME", "USER")
"""What it gets of the environment."""

log = get_logger("workers")


@define(eq=False)
class ScriptCounts:
    """Plain numbers that only grow."""

    scripts: int = 0
    """Those that were started."""
    scripts_failed: int = 0
    """Those that could not be started, ended with an error or were killed; and files for which none was run."""


class HookScript:
    """See above. `run` waits for the script and never raises."""

    def __init__(self, settings: Settings) -> None:
        self.counts = ScriptCounts()
        self._settings = settings
        self._room = trio.CapacityLimiter(AT_ONCE)
        self._faults = RateLimitedLog(log, clock=trio.current_time)

    async def run(self, stream_name: str, file: Path) -> None:
        """Run it for a file, when it is its turn. Nothing, if none is set; cancelling kills it."""
        if self._settings.on_record_hook_script is None:
            return
        if self._room.statistics().tasks_waiting >= MOST_WAITING:
            self.counts.scripts_failed += 1
            self._faults.warning("record hook script is not run", file=file.name, why="too many wait for it")
            return
        async with self._room:
            script = self._settings.on_record_hook_script  # as it is now
            if script is not None and not _is_stock_and_missing(script):
                await self._call(script, stream_name, file)

    async def _call(self, script: Path, stream_name: str, file: Path) -> None:
        started = trio.current_time()
        try:
            process = await trio.lowlevel.open_process(
                [script, *_arguments(stream_name, file)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
                env={key: os.environ[key] for key in _KEPT if key in os.environ},
            )
        except OSError as error:
            self.counts.scripts_failed += 1
            self._faults.warning("record hook script cannot be started", script=str(script), error=str(error))
            return
        self.counts.scripts += 1
        status, line = await self._outcome(process, file.name)
        if status:
            self.counts.scripts_failed += 1
            self._faults.warning("record hook script failed", file=file.name, status=status, line=line)
        else:
            log.info("record hook script ended", file=file.name, seconds=round(trio.current_time() - started, 1))

    async def _outcome(self, process: trio.Process, file: str) -> tuple[int, str]:
        """Its exit status (negative: the signal), and the last that it said."""
        said = bytearray()
        limit = self._settings.records_hook_timeout
        try:
            with trio.move_on_after(limit) as time:
                async with trio.open_nursery() as hearing:
                    hearing.start_soon(_hear, process, said)
                    await process.wait()
                    hearing.cancel_scope.cancel()
            if time.cancelled_caught:
                self._faults.warning("record hook script takes too long and is killed", file=file, seconds=limit)
        finally:
            with trio.move_on_after(END_TIMEOUT, shield=True):
                await _end(process)
        return STILL_RUNS if process.returncode is None else process.returncode, said.decode(errors="replace").strip()


async def _end(process: trio.Process) -> None:
    """Kill it, and all that it has started in its group, if it still runs."""
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):  # one that has become another user's cannot be killed
            os.killpg(process.pid, signal.SIGKILL)
    if process.stderr is not None:
        await process.stderr.aclose()
    await process.wait()


async def _hear(process: trio.Process, said: bytearray) -> None:
    if process.stderr is not None:
        async for chunk in process.stderr:
            said += chunk
            del said[:-MAX_LINE]


def _is_stock_and_missing(script: Path) -> bool:
    """Settings files of WCS name a script that it brings with it."""
    return str(script) == STOCK_HOOK_SCRIPT and not os.access(script, os.F_OK)


def _arguments(stream_name: str, file: Path) -> tuple[bytes, bytes]:
    """As a process can get them: no NUL, and nothing that is no text."""
    return stream_name.encode(errors="replace").replace(b"\0", b"?"), os.fsencode(file)
