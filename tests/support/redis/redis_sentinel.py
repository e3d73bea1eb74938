"""A primary, its replica and a Sentinel that watches them: one program runs all three. On ports of loopback.

The Sentinel wants a password.

`named_by` stands for a Sentinel that knows one thing only.
"""

import ssl
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import quote

import trio
import trustme
from attrs import define, field

from tests.support.network.ports import unused_port
from tests.support.redis.redis_server import POLL, REDIS_SERVER
from tests.support.redis.redis_tls import AUTHORITIES, tls_options
from tests.support.session.wcs_client import PATIENCE

SERVICE: Final = "wcs"
HOST: Final = "127.0.0.1"
PASSWORD: Final = "a+b&c/d"
"""Of the Sentinel alone."""
SENTINEL: Final = """\
bind 127.0.0.1
requirepass {password}
dir {folder}
sentinel monitor wcs 127.0.0.1 {primary} 1
sentinel down-after-milliseconds wcs 300
sentinel failover-timeout wcs 2000
"""
OPTIONS: Final = ("--bind", HOST, "--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0")
HELLO: Final = (
    b"%4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.0.0\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:1\r\n"
)


@define(eq=False)
class Watched:
    """See above."""

    folder: Path
    primary: int = field(factory=unused_port)
    replica: int = field(factory=unused_port)
    sentinel: int = field(factory=unused_port)
    tls: ssl.SSLContext | None = None
    """If all of them take TLS alone: whom to trust."""
    processes: dict[int, "subprocess.Popen[bytes]"] = field(factory=dict)

    @property
    def url(self) -> str:
        scheme = f"redis{'' if self.tls is None else 's'}+sentinel"
        return f"{scheme}://{HOST}:{self.sentinel}/{SERVICE}?sentinel_password={quote(PASSWORD, safe='')}"

    def start(self, options: Mapping[str, str]) -> None:
        """All three; `options` are for each of them."""
        replica = ("--replicaof", HOST, str(self.primary))
        more = tuple(word for name, value in options.items() for word in (f"--{name}", value))
        for port, role in ((self.primary, ()), (self.replica, replica)):
            self._spawn(port, *self._listening(port), "--dir", str(self.folder), *OPTIONS, *role, *more)
        config = self.folder / "sentinel.conf"
        words = zip(self._listening(self.sentinel)[::2], self._listening(self.sentinel)[1::2], strict=True)
        lines = [f"{name.strip('-')} {value}" for name, value in (*words, *options.items())]
        watching = SENTINEL.format(folder=self.folder, primary=self.primary, password=PASSWORD)
        config.write_text("\n".join([*lines, watching]))
        self._spawn(self.sentinel, str(config), "--sentinel")

    def _listening(self, port: int) -> tuple[str, ...]:
        return ("--port", str(port)) if self.tls is None else ("--port", "0", "--tls-port", str(port))

    def _spawn(self, port: int, *options: str) -> None:
        with (self.folder / "redis.log").open("ab") as log:
            self.processes[port] = subprocess.Popen([REDIS_SERVER, *options], stdout=log)

    def kill(self, port: int) -> None:
        """The one on this port, at once."""
        process = self.processes.pop(port)
        process.kill()
        process.wait()

    async def primary_now(self) -> int:
        """The port of the primary, by the Sentinel's word; 0 while it has none to say."""
        words = (await self.ask(self.sentinel, f"SENTINEL GET-MASTER-ADDR-BY-NAME {SERVICE}")).split()
        return int(words[-1]) if len(words) > 1 else 0

    async def ask(self, port: int, command: str) -> bytes:
        """The answer to a command, as it comes; nothing, if nobody is there yet."""
        try:
            async with await trio.open_tcp_stream(HOST, port) as plain:
                stream = plain if self.tls is None else trio.SSLStream(plain, self.tls, server_hostname=HOST)
                if port == self.sentinel:
                    await stream.send_all(f"AUTH {PASSWORD}\r\n".encode())
                    await stream.receive_some(65536)
                await stream.send_all(command.encode() + b"\r\n")
                return bytes(await stream.receive_some(65536))
        except (OSError, trio.BrokenResourceError):
            return b""

    async def until(self, port: int, command: str, answer: bytes) -> None:
        """Wait until it answers so."""
        with trio.fail_after(PATIENCE):
            while answer not in await self.ask(port, command):  # noqa: ASYNC110 - it tells no one
                await trio.sleep(POLL)


@asynccontextmanager
async def watched_redis(folder: Path, authority: trustme.CA | None = None) -> AsyncIterator[Watched]:
    """All of them, once the replica has what the primary has, and the Sentinel knows both.

    With an authority, they take TLS alone.
    """
    options = {} if authority is None else tls_options(folder, authority, HOST)
    watched = Watched(folder, tls=ssl.create_default_context(cafile=folder / AUTHORITIES) if options else None)
    try:
        watched.start(options)
        await watched.until(watched.replica, "INFO replication", b"master_link_status:up")
        await watched.until(watched.sentinel, f"SENTINEL REPLICAS {SERVICE}", str(watched.replica).encode())
        yield watched
    finally:
        for port in list(watched.processes):
            watched.kill(port)


async def named_by(nursery: trio.Nursery, primary: int) -> int:
    """The port of a Sentinel by whose word that port of loopback is the primary's."""
    (listener,) = await trio.open_tcp_listeners(0, host=HOST)
    await nursery.start(trio.serve_listeners, partial(_name, primary), [listener])
    port: int = listener.socket.getsockname()[1]
    return port


async def _name(primary: int, client: trio.SocketStream) -> None:
    named = b"*2\r\n$%d\r\n%b\r\n$%d\r\n%d\r\n" % (len(HOST), HOST.encode(), len(str(primary)), primary)
    async for data in client:
        if b"HELLO" in data:
            await client.send_all(HELLO)
        if b"SENTINEL" in data:
            await client.send_all(named)
