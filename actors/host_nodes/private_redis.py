"""A Redis, or Valkey, of the server's own: on a Unix socket in the state folder, without a port and without files.

It holds nothing that the nodes could not write again, so one that dies is started anew.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import trio

import actors
from actors.runtime.logs import get_logger
from actors.storage.state_folder import StateFolder
from protocol.cluster.redis_url import unix_url
from protocol.node.restarts import Restarts

PROGRAMS: Final = ("redis-server", "valkey-server")
START_TIMEOUT: Final = 20.0
"""Seconds in which it must answer."""
LOOK: Final = 0.02
"""Seconds between two looks whether it does: it tells no one."""
LONGEST_DELAY: Final = 30.0
"""Seconds before each further start of one that dies again and again: streams go on without it."""
_PACKAGES: Final = Path(actors.__file__).resolve().parents[1]

log = get_logger("nodes")


class RedisMissing(Exception):
    """It cannot be started; the text says what to do."""


class PrivateRedis:
    """See above. The constructor only looks for the program: RedisMissing."""

    def __init__(self, folder: Path) -> None:
        program = next(filter(None, map(shutil.which, PROGRAMS)), None)
        if program is None:
            raise RedisMissing(
                "several nodes need Redis: install redis-server or valkey-server (of Debian's packages), "
                "or set cluster.redis_url"
            )
        self._socket, self._folder = StateFolder(folder).redis_path, folder
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._restarts = Restarts()

    @property
    def override(self) -> str:
        """The setting by which nodes reach it."""
        return f"cluster.redis_url={unix_url(self._socket)}"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep it running until cancelled; started when it answers. Raises RedisMissing before that."""
        is_first = True
        try:
            while True:
                begun = trio.current_time()
                if is_first:
                    self._process = self._start()
                    await self._until_it_answers()
                    task_status.started()
                else:
                    self._process = self._start_again()
                is_first = False
                code = os.EX_OSERR if self._process is None else await _end_of(self._process)
                delay = self._restarts.died(trio.current_time() - begun) or LONGEST_DELAY
                log.error("Redis has ended, and is started again", program=self._program, code=code, after=delay)
                await trio.sleep(delay)
        finally:
            self._kill()
            self._socket.unlink(missing_ok=True)

    def _start(self) -> subprocess.Popen[bytes]:
        """Started by this thread, which lives as long as the process: see `leash`."""
        self._socket.unlink(missing_ok=True)
        options = [
            *("--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "600"),
            *("--save", "", "--appendonly", "no", "--dir", str(self._folder), "--loglevel", "warning"),
        ]
        leash = [sys.executable, "-P", "-m", "actors.host_nodes.leash", str(os.getpid())]
        with open(self._folder / "redis.log", "wb", opener=_for_the_owner) as told:
            return subprocess.Popen(  # noqa: S603 - a program of the machine, with our own arguments
                [*leash, self._program, *options],
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=told,
                env={"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(_PACKAGES)},
                start_new_session=True,
            )

    def _start_again(self) -> subprocess.Popen[bytes] | None:
        """None: not now, such as for want of memory."""
        try:
            return self._start()
        except OSError as error:
            log.error("Redis cannot be started", program=self._program, error=str(error))
            return None

    async def _until_it_answers(self) -> None:
        with trio.move_on_after(START_TIMEOUT):
            while not await self._answers():
                if self._process is not None and self._process.poll() is not None:
                    break
                await trio.sleep(LOOK)
            else:
                return
        raise RedisMissing(f"{self._program} does not start: see {self._folder / 'redis.log'}")

    async def _answers(self) -> bool:
        with contextlib.suppress(OSError, trio.BrokenResourceError):
            async with await trio.open_unix_socket(self._socket) as stream:
                await stream.send_all(b"PING\r\n")
                return (await stream.receive_some(100)).startswith(b"+PONG")
        return False

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()  # what is killed ends at once
            self._process = None


def _for_the_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


async def _end_of(process: subprocess.Popen[bytes]) -> int:
    """Wait for its end; the exit code."""
    handle = os.pidfd_open(process.pid)
    try:
        await trio.lowlevel.wait_readable(handle)
    finally:
        os.close(handle)
    return process.wait()
