"""One node as a process: an ordinary server, started anew by exec, with its own state folder.

Its standard input is a pipe that only we hold: when it ends, so does the node, whatever has become of us. On its
standard output it says that it is ready. What a service manager is told, it tells us: its state, and signs of life.
"""

import math
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import trio
from attrs import frozen

import actors
from actors.runtime.logs import get_logger

WATCHDOG: Final = 30.0
"""Seconds without a sign of life, after which a node is ended."""
START_TIMEOUT: Final = 120.0
"""Seconds from its start until a node serves, after which it is ended."""
SILENT_AFTER: Final = 15.0
"""Seconds without a sign of life, after which others are asked first: it gives one every five."""
WATCHDOG_GRACE: Final = 5.0
"""Seconds that it then has to write its stack into the log."""
END_TIMEOUT: Final = 5.0
"""Seconds that a process may take to end that is killed: it does so at once."""
MAX_READY_LINE: Final = 64 << 10
MAX_NOTE: Final = 4096
_PACKAGES: Final = Path(actors.__file__).resolve().parents[1]
_READY: Final = "wcsd ready "

log = get_logger("nodes")


@frozen(kw_only=True)
class NodePlan:
    """How one node is started. `overrides`: settings that the command line gives it."""

    index: int
    folder: Path
    config: Path | None
    overrides: tuple[str, ...]

    @property
    def socket_path(self) -> Path:
        return self.folder / "wcs.sock"

    def command(self) -> list[str]:
        config = [] if self.config is None else [f"--config={self.config}"]
        options = [f"--node={self.index}", f"--state={self.folder}", *config]
        overrides = [f"--set={each}" for each in self.overrides]
        return [sys.executable, "-P", "-m", "actors.daemon", *options, *overrides]


class NodeProcess:
    """A running node. `on_ready` is called with the words of its ready line: `media=...` and so on."""

    def __init__(self, plan: NodePlan, on_ready: Callable[[dict[str, str]], None]) -> None:
        self.plan = plan
        self.status = "starting"
        """One line for people."""
        self.is_ready = False
        self.reloaded, self.serves = trio.Event(), trio.Event()
        self._on_ready = on_ready
        self._process: trio.Process | None = None
        self._alive_at = 0.0
        self._drains_at = -math.inf
        self._is_reloading = False

    @property
    def is_silent(self) -> bool:
        """Whether it has given no sign of life for a while."""
        return trio.current_time() - self._alive_at > SILENT_AFTER

    @property
    def is_draining(self) -> bool:
        """Whether it takes its time to end, as it tells every few seconds."""
        return trio.current_time() - self._drains_at < WATCHDOG

    async def run(self) -> int:
        """Start it and wait for its end; the exit code, negative: the signal. It does not outlive a cancellation."""
        notes = self._open_notes()
        try:
            self._process = process = await trio.lowlevel.open_process(
                self.plan.command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=self._environment(),
                start_new_session=True,  # Ctrl-C is for us
            )
            try:
                return await self._watch(process, notes)
            finally:
                with trio.move_on_after(END_TIMEOUT, shield=True):
                    await _end(process)
        finally:
            self.is_ready = False
            notes.close()
            self._notes_path.unlink(missing_ok=True)

    def signal(self, number: int) -> None:
        """Pass a signal on."""
        if self._process is not None:
            self._process.send_signal(number)

    # -- inside ------------------------------------------------------------------------------------

    async def _watch(self, process: trio.Process, notes: trio.socket.SocketType) -> int:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read_ready_line, process)
            nursery.start_soon(self._read_notes, notes)
            nursery.start_soon(self._guard, process)
            code = await process.wait()
            nursery.cancel_scope.cancel()
        return code

    async def _read_ready_line(self, process: trio.Process) -> None:
        content = b""
        if process.stdout is None:
            return
        async for chunk in process.stdout:
            content += chunk
            if b"\n" in content or len(content) > MAX_READY_LINE:
                break
        line = content.decode(errors="replace")
        if line.startswith(_READY):
            self._alive_at = trio.current_time()
            self.is_ready = True
            self.serves.set()
            self._on_ready(dict(word.partition("=")[::2] for word in line.removeprefix(_READY).split()))

    async def _read_notes(self, notes: trio.socket.SocketType) -> None:
        while True:
            for line in (await notes.recv(MAX_NOTE)).decode(errors="replace").split("\n"):
                self._take_note(*line.partition("=")[::2])

    def _take_note(self, name: str, value: str) -> None:
        self._alive_at = trio.current_time()
        match name:
            case "STATUS":
                self.status = value
            case "EXTEND_TIMEOUT_USEC":
                self._drains_at = trio.current_time()
            case "RELOADING":
                self._is_reloading = True
            case "READY" if self._is_reloading:  # the first one says that it has started
                self._is_reloading = False
                self.reloaded.set()

    async def _guard(self, process: trio.Process) -> None:
        """End a node that does not begin to serve, or gives no sign of life any more."""
        with trio.move_on_after(START_TIMEOUT):
            await self.serves.wait()
        while self.is_ready and trio.current_time() - self._alive_at < WATCHDOG:  # noqa: ASYNC110 - time alone
            await trio.sleep(WATCHDOG / 6)
        if self.is_ready:
            log.error("a node gives no sign of life, and is ended", node=self.plan.index, seconds=WATCHDOG)
        else:
            log.error("a node does not begin to serve, and is ended", node=self.plan.index, seconds=START_TIMEOUT)
        process.send_signal(signal.SIGABRT)
        await trio.sleep(WATCHDOG_GRACE)
        process.kill()

    @property
    def _notes_path(self) -> Path:
        return self.plan.folder / "notes"

    def _open_notes(self) -> trio.socket.SocketType:
        self._notes_path.unlink(missing_ok=True)
        notes = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            notes.bind(str(self._notes_path))
        except OSError:
            notes.close()
            raise
        return trio.socket.from_stdlib_socket(notes)

    def _environment(self) -> dict[str, str]:
        own = {"NOTIFY_SOCKET": str(self._notes_path), "WATCHDOG_USEC": str(round(WATCHDOG * 1_000_000))}
        return {**os.environ, **own, "PYTHONPATH": str(_PACKAGES)}


async def _end(process: trio.Process) -> None:
    process.kill()
    await process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            await pipe.aclose()
