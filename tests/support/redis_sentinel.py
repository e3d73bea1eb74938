"""A primary, its replica and a Sentinel that watches them: `redis-server` runs all three. On ports of loopback."""

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from attrs import define, field

from tests.support.ports import unused_port
from tests.support.redis_server import POLL
from tests.support.wcs_client import PATIENCE

SERVICE = "wcs"
SENTINEL = """\
port {port}
bind 127.0.0.1
dir {folder}
sentinel monitor wcs 127.0.0.1 {primary} 1
sentinel down-after-milliseconds wcs 300
sentinel failover-timeout wcs 2000
"""
OPTIONS = ("--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0")


@define(eq=False)
class Watched:
    """See above."""

    primary: int
    replica: int
    sentinel: int
    processes: dict[int, "subprocess.Popen[bytes]"] = field(factory=dict)

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self.sentinel}/{SERVICE}"

    def kill(self, port: int) -> None:
        """The one on this port, at once."""
        process = self.processes.pop(port)
        process.kill()
        process.wait()

    async def primary_now(self) -> int:
        """The port of the primary, by the Sentinel's word."""
        return int((await ask(self.sentinel, f"SENTINEL GET-MASTER-ADDR-BY-NAME {SERVICE}")).split()[-1])


async def ask(port: int, command: str) -> bytes:
    """The answer to a command, as it comes; nothing, if nobody is there yet."""
    try:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(command.encode() + b"\r\n")
            return await stream.receive_some(65536)
    except (OSError, trio.BrokenResourceError):
        return b""


@asynccontextmanager
async def watched_redis(folder: Path) -> AsyncIterator[Watched]:
    """All of them, once the replica has what the primary has, and the Sentinel knows both."""
    watched = Watched(unused_port(), unused_port(), unused_port())
    config = folder / "sentinel.conf"
    config.write_text(SENTINEL.format(port=watched.sentinel, folder=folder, primary=watched.primary))
    commands = {
        watched.primary: ("--port", str(watched.primary), "--dir", str(folder), *OPTIONS),
        watched.replica: (
            *("--port", str(watched.replica), "--dir", str(folder), *OPTIONS),
            *("--replicaof", "127.0.0.1", str(watched.primary)),
        ),
        watched.sentinel: (str(config), "--sentinel"),
    }
    try:
        watched.processes.update(_started(commands, folder / "redis.log"))
        await _until(watched.replica, "INFO replication", b"master_link_status:up")
        await _until(watched.sentinel, f"SENTINEL REPLICAS {SERVICE}", str(watched.replica).encode())
        yield watched
    finally:
        for port in list(watched.processes):
            watched.kill(port)


def _started(commands: dict[int, tuple[str, ...]], log_file: Path) -> "dict[int, subprocess.Popen[bytes]]":
    with log_file.open("ab") as log:
        return {port: subprocess.Popen(["redis-server", *options], stdout=log) for port, options in commands.items()}


async def _until(port: int, command: str, answer: bytes) -> None:
    with trio.fail_after(PATIENCE):
        while answer not in await ask(port, command):  # noqa: ASYNC110 - it tells no one
            await trio.sleep(POLL)
