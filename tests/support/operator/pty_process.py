"""A program on a pseudo-terminal: typed at, and read from, as a person does."""

import codecs
import fcntl
import os
import pty
import re
import struct
import sys
import termios
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import trio

from tests.support.session.wcs_client import PATIENCE

ESCAPE = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|[()][A-Z0-9]|[=>78]|\][^\x07]*\x07)")
WHERE_IS_THE_CURSOR = "\x1b[6n"
LAUNCHER = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.SIG_DFL)  # shells have what they start in the background ignore it
os.execvp(sys.argv[1], sys.argv[1:])
"""
TERMINAL_ENDED = (trio.BrokenResourceError, trio.ClosedResourceError)  # Linux says EIO when the other side is closed


class PtyProcess:
    """The program, and what it has written so far. `expect` goes on after the last text that it found."""

    def __init__(self, process: trio.Process, stream: "trio.lowlevel.FdStream", terminal: int, modes: object) -> None:
        self.process = process
        self.raw = ""
        self.modes_at_start = modes
        """As `modes`, of the terminal before the program had it."""
        self._stream = stream
        self._terminal = terminal
        self._place = 0
        self._answered = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    async def type(self, keys: str) -> None:
        await self._stream.send_all(keys.encode())

    async def expect(self, text: str) -> str:
        """Wait until it writes this; returns what it wrote up to there, escape sequences left out."""
        with trio.move_on_after(PATIENCE):
            while (found := self.text.find(text, self._place)) < 0 and await self._read():
                pass
        assert found >= 0, f"it does not write {text!r}, but {self.text[self._place :]!r}"
        before, self._place = self.text[self._place : found + len(text)], found + len(text)
        return before

    async def ended(self) -> int:
        """Read to the end; the exit code."""
        with trio.fail_after(PATIENCE):
            while await self._read():
                pass
            return await self.process.wait()

    @property
    def text(self) -> str:
        """All that it has written, without escape sequences."""
        return ESCAPE.sub("", self.raw)

    def modes(self) -> object:
        """The modes of the terminal, such as whether it echoes (tcgetattr)."""
        return termios.tcgetattr(self._terminal)[:4]

    def resize(self, lines: int, columns: int) -> None:
        set_size(self._terminal, lines, columns)

    async def _read(self) -> bool:
        try:
            chunk = await self._stream.receive_some()
        except TERMINAL_ENDED:
            return False
        self.raw += self._decoder.decode(bytes(chunk))
        while self._answered < self.raw.count(WHERE_IS_THE_CURSOR):  # which may come in two parts
            self._answered += 1
            await self.type("\x1b[1;1R")
        return bool(chunk)


async def rest_of(screen: "trio.lowlevel.FdStream") -> str:
    """All that is to be read from a terminal that nobody has open any more; what was written may come late."""
    shown = b""
    with suppress(*TERMINAL_ENDED):
        while chunk := await screen.receive_some():
            shown += bytes(chunk)
    return shown.decode()


def set_size(terminal: int, lines: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


@asynccontextmanager
async def on_pty(
    command: Sequence[str], *, cwd: os.PathLike[str] | str, environment: Mapping[str, str]
) -> AsyncIterator[PtyProcess]:
    """Start the program with a terminal of 24 lines and 100 columns that controls it; it is killed at the end."""
    master, slave = pty.openpty()
    set_size(slave, 24, 100)
    modes = termios.tcgetattr(slave)[:4]
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", LAUNCHER, *command],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        cwd=cwd,
        env={**os.environ, **environment},
    )
    os.close(slave)
    async with trio.lowlevel.FdStream(master) as stream:
        try:
            yield PtyProcess(process, stream, master, modes)
        finally:
            process.kill()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + PATIENCE):
                await process.wait()
