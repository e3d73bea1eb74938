"""The command line over SSH: a separate process, which this starts, watches and ends.

The library for SSH runs on asyncio and decrypts what strangers send; neither belongs into the process that forwards
media. The helper gets the listening socket, and asks over the operator's Unix socket like any other client.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

import trio

import actors
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.storage.account_store import AccountStore
from actors.storage.state_folder import StateFolder
from protocol.access.accounts import AccountTable
from protocol.common.growing_pause import GrowingPause

log = get_logger("ssh")

PACKAGES: Final = Path(actors.__file__).resolve().parents[1]
END_TIMEOUT: Final = 2.0
"""Seconds in which the helper may end by itself once its input has ended."""
BACKLOG: Final = 64
"""Connections that may be waiting to be accepted."""
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before it is started again, twice as long each time."""
CALM: Final = 300.0
"""Seconds of running after which the pause is the shortest again."""
MAX_LINE: Final = 1000
"""Bytes of one line that it may write into the log."""


class SshService:
    """Keeps the helper running until cancelled; does nothing without a socket.

    `listener` has its port, and listens from here on as soon as `accounts` have a user who may log in: before that
    nobody could come in, and the helper would be there for strangers alone.
    StateFolderError: there is no host key, and none can be made.
    """

    def __init__(self, listener: socket.socket | None, state: StateFolder, accounts: AccountStore) -> None:
        self._listener = listener
        self._accounts = accounts
        self._log = RateLimitedLog(log, clock=trio.current_time)
        if listener is not None:
            self._paths = {
                "operator": state.socket_path,
                "host_key": state.ssh_host_key(),
                "keys": state.keys_path,
            }

    async def run(self) -> None:
        """Start the helper, again whenever it has ended."""
        if self._listener is None:
            return
        with self._listener:
            await self._until_users()
            try:
                self._listener.listen(BACKLOG)
            except OSError as error:  # somebody has taken the port meanwhile
                log.error("ssh stays closed", setting="ssh.port", cause=error.strerror or str(error))
                return
            await self._keep_running(self._listener.fileno())

    async def _until_users(self) -> None:
        if _lets_in(self._accounts.table):
            return
        came, others = trio.Event(), self._accounts.on_change

        def look(before: AccountTable, now: AccountTable) -> None:
            others(before, now)
            if _lets_in(now):
                came.set()

        self._accounts.on_change = look
        log.warning(
            "ssh stays closed until there is a user", setting="ssh.port", remedy="wcs add user NAME --role ROLE"
        )
        await came.wait()
        self._accounts.on_change = others
        log.info("ssh is open", cause="there is a user now")

    async def _keep_running(self, listener: int) -> None:
        pause = GrowingPause(SHORTEST_PAUSE, LONGEST_PAUSE)
        while True:
            started = trio.current_time()
            code = await self._run_helper(listener)
            if trio.current_time() - started > CALM:
                pause.reset()
            seconds = pause.next()
            log.error("ssh helper ended", exit_code=code, starts_again_in=seconds)
            await trio.sleep(seconds)

    async def _run_helper(self, listener: int) -> int:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-P", "-m", "actors.operator.ssh.helper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=[listener],
            start_new_session=True,  # a Ctrl-C at the server's terminal is not for the helper
            env={**os.environ, "PYTHONPATH": str(PACKAGES)},
        )
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._pass_on_lines, process)
                await self._instruct(process, listener)
                code = await process.wait()
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + END_TIMEOUT):
                await _end(process)
            process.kill()  # does nothing to one that has ended
        return code

    async def _instruct(self, process: trio.Process, listener: int) -> None:
        """Its input is one line, and ends when this process does."""
        if process.stdin is None:
            return  # never: it was asked for
        told = {"listener": listener, **{name: str(path) for name, path in self._paths.items()}}
        try:
            await process.stdin.send_all(json.dumps(told).encode() + b"\n")
        except trio.BrokenResourceError:  # it has ended already
            return

    async def _pass_on_lines(self, process: trio.Process) -> None:
        """What it writes goes into the log, a little at a time."""
        if process.stderr is None:
            return  # never: it was asked for
        rest = b""
        async for chunk in process.stderr:
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[:MAX_LINE]
            for line in lines:
                self._log.warning("ssh helper says", text=line[:MAX_LINE].decode(errors="replace"))


def _lets_in(accounts: AccountTable) -> bool:
    return any(user.is_active for user in accounts.users)


async def _end(process: trio.Process) -> None:
    """The end of its input is the end of the helper."""
    for stream in (process.stdin, process.stderr):
        if stream is not None:
            await stream.aclose()
    await process.wait()
