"""A real redis-server on a Unix socket in the test's own folder, without persistence."""

import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

START_TIMEOUT = 60.0
POLL = 0.01
"""Seconds between two looks at something that tells no one of its change."""


class RedisServer:
    """See above. It is stopped at the end, however it was left."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "redis.sock"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    async def start(self) -> None:
        """Returns when it accepts connections."""
        self._spawn()
        with trio.fail_after(START_TIMEOUT):
            while not await self._accepts():  # noqa: ASYNC110 - it tells no one
                await trio.sleep(POLL)

    def _spawn(self) -> None:
        options = ["--port", "0", "--unixsocket", str(self.path), "--save", "", "--appendonly", "no"]
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(["redis-server", *options, "--dir", str(self._folder)], stdout=log)

    async def _accepts(self) -> bool:
        try:
            stream = await trio.open_unix_socket(self.path)
        except OSError:
            return False
        async with stream:
            await stream.send_all(b"PING\r\n")
            return (await stream.receive_some(100)).startswith(b"+PONG")

    def signal(self, number: int) -> None:
        if self._process is None:
            raise RuntimeError("it does not run")
        self._process.send_signal(number)

    def kill(self) -> None:
        """At once, with all of its data."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self.path.unlink(missing_ok=True)

    async def command(self, *words: str) -> bytes:
        """The beginning of its answer to a command."""
        stream = await trio.open_unix_socket(self.path)
        async with stream:
            await stream.send_all((" ".join(words) + "\r\n").encode())
            return await stream.receive_some(1000)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)


@asynccontextmanager
async def redis_server(folder: Path) -> AsyncIterator[RedisServer]:
    """A started one."""
    server = RedisServer(folder)
    try:
        await server.start()
        yield server
    finally:
        server.kill()
