"""A real Redis on a Unix socket in the test's own folder, without persistence.

It is redis-server, or the program that WCSD_REDIS_SERVER names: valkey-server, or a path.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import trio

REDIS_SERVER: Final = os.environ.get("WCSD_REDIS_SERVER", "redis-server")
INSTALLED: Final = tuple(dict.fromkeys((REDIS_SERVER, *filter(shutil.which, ("redis-server", "valkey-server")))))
"""All that this machine has: the suite that says what a registry does runs over each."""
START_TIMEOUT = 60.0
POLL = 0.01
"""Seconds between two looks at something that tells no one of its change."""


class RedisServer:
    """See above. It is stopped at the end, however it was left. `environment` is added to that of the tests."""

    def __init__(
        self,
        folder: Path,
        *,
        program: str = REDIS_SERVER,
        environment: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> None:
        self.path = folder / "redis.sock"
        self._folder, self._program = folder, program
        self._options = options
        self._environment = {**os.environ, **(environment or {})}
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
        options += ["--enable-debug-command", "local", "--dir", str(self._folder), *self._options]
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen([self._program, *options], stdout=log, env=self._environment)

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

    async def commands(self) -> frozenset[str]:
        """The names of all commands that it has carried out, in lower case: also those within scripts."""
        stream = await trio.open_unix_socket(self.path)
        async with stream:
            await stream.send_all(b"INFO commandstats\r\n")
            text = await stream.receive_some(1 << 20)
            while not text.endswith(b"\r\n\r\n"):
                text += await stream.receive_some(1 << 20)
        return frozenset(re.findall(r"cmdstat_([^:]+):", text.decode()))

    def resume(self) -> None:
        self.signal(signal.SIGCONT)


@asynccontextmanager
async def redis_server(
    folder: Path,
    *,
    program: str = REDIS_SERVER,
    environment: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> AsyncIterator[RedisServer]:
    """A started one. `options`: further ones of its command line."""
    server = RedisServer(folder, program=program, environment=environment, options=options)
    try:
        await server.start()
        yield server
    finally:
        server.kill()
