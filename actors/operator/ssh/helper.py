"""The SSH helper: lets users in, and passes on what they type to the server's Unix socket, each with their own role.

    stdin   one line of JSON: the listening socket and the paths; its end is the end of the helper
    stderr  lines for the server's log

It is a separate process, and the only part that imports asyncio: the library for SSH needs it.
"""

import asyncio
import json
import os
import socket
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import asyncssh

from actors.operator.ssh.session import SshSession
from actors.operator.wcs.asking import MAX_ANSWER_SIZE
from actors.operator.wcs.conversation import Answered

ANSWER_TIMEOUT: Final = 30.0
"""Seconds the server may take to answer."""
LOGIN_TIMEOUT: Final = 30.0
"""Seconds in which a client must have logged in."""
MAX_CONNECTIONS, MAX_PER_ADDRESS = 32, 8
MAX_ATTEMPTS: Final = 6
"""Passwords that one connection may try; the server holds back its address before that."""
MAX_KEYS_SIZE: Final = 64 * 1024
"""Bytes of a file of keys."""
WINDOW: Final = 64 * 1024
"""Bytes that a client may send before they are read."""
ALIVE_INTERVAL: Final = 30
"""Seconds; a client that answers nothing for four of them is gone."""


class Instructions(NamedTuple):
    """What the server tells at the start."""

    listener: int
    operator: Path
    host_key: Path
    keys: Path


class Helper:
    """What all connections share."""

    def __init__(self, told: Instructions) -> None:
        self.keys = told.keys
        self.addresses: Counter[str] = Counter()
        self._operator = told.operator

    def enters(self, address: str) -> bool:
        """Whether there is room for one more connection; counts it, in any case."""
        self.addresses[address] += 1
        return self.addresses.total() <= MAX_CONNECTIONS and self.addresses[address] <= MAX_PER_ADDRESS

    def leaves(self, address: str) -> None:
        """A connection has ended."""
        self.addresses[address] -= 1
        self.addresses += Counter()  # forgets those at zero

    async def ask(self, request: Mapping[str, Any]) -> Answered:
        """What the server answers, or in its form, that it does not."""
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                return await self._asked(request)
        except (OSError, ValueError, asyncio.IncompleteReadError):  # TimeoutError is an OSError
            message = "the server did not answer; the command may or may not have been done"
            return {"ok": False, "error": "unreachable", "message": message}

    async def _asked(self, request: Mapping[str, Any]) -> Answered:
        reader, writer = await asyncio.open_unix_connection(str(self._operator), limit=MAX_ANSWER_SIZE)
        try:
            writer.write(json.dumps(request).encode() + b"\n")
            await writer.drain()
            answer: Answered = json.loads(await reader.readuntil(b"\n"))
        finally:
            writer.close()
        return answer


class Gate(asyncssh.SSHServer):
    """One connection: who it is."""

    def __init__(self, helper: Helper) -> None:
        self._helper = helper
        self._connection: asyncssh.SSHServerConnection | None = None
        self._attempts = 0
        self._address = ""
        self._by_key = True
        self._login: asyncio.Task[Answered] | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """A client has connected."""
        self._connection = conn
        self._address = conn.get_extra_info("peername")[0]
        if not self._helper.enters(self._address):
            tell(f"too many connections: one from {self._address} is closed")
            conn.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._helper.leaves(self._address)

    def begin_auth(self, username: str) -> bool:
        """Everybody must show who they are."""
        keys = self._keys_of(username)
        if self._connection is not None and keys is not None:
            self._connection.set_authorized_keys(keys)
        return True

    def password_auth_supported(self) -> bool:
        return True

    async def validate_password(self, username: str, password: str) -> bool:
        """Ask the server, which counts failures for each address."""
        self._attempts += 1
        if self._attempts > MAX_ATTEMPTS:
            raise asyncssh.DisconnectError(asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, "too many attempts")
        answer = await self._helper.ask({"login": {**self.remote_user(username), "key": False, "password": password}})
        self._by_key = not answer["ok"]  # only now: a client that does not wait for the answer may go on with a key
        return bool(answer["ok"])

    def remote_user(self, username: str) -> dict[str, object]:
        """The user as requests name it."""
        return {"user": username, "from": self._address, "key": self._by_key}

    async def admitted(self, username: str) -> Answered:
        """Whether a user who has shown a key may come in: the server is asked once. Passwords were compared before."""
        if not self._by_key:
            return {"ok": True}
        if self._login is None:
            self._login = asyncio.ensure_future(self._helper.ask({"login": self.remote_user(username)}))
        return await self._login

    def _keys_of(self, username: str) -> asyncssh.SSHAuthorizedKeys | None:
        """The keys of the user, if they have any; a name may not lead elsewhere."""
        if not username or "/" in username or "\0" in username or username.startswith("."):
            return None
        path = self._helper.keys / username
        try:
            with path.open("rb") as file:
                text = file.read(MAX_KEYS_SIZE).decode()
            return asyncssh.import_authorized_keys(text)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, asyncssh.Error) as error:
            tell(f"{path}: cannot be used: {error}")
            return None


def tell(text: str) -> None:
    """One line for the server's log."""
    line = "".join(each if each.isprintable() else "?" for each in text)
    print(line, file=sys.stderr, flush=True)


async def serve(told: Instructions) -> None:
    """Serve SSH until the input ends."""
    helper = Helper(told)

    async def handle(process: "asyncssh.SSHServerProcess[str]") -> None:
        gate = process.channel.get_connection().get_owner()
        if isinstance(gate, Gate):  # else it is gone already
            await SshSession(process, helper.ask, gate, operator=told.operator).run()

    acceptor = await asyncssh.listen(
        sock=socket.socket(fileno=told.listener),
        server_factory=lambda: Gate(helper),
        server_host_keys=[str(told.host_key)],
        process_factory=handle,
        login_timeout=LOGIN_TIMEOUT,
        keepalive_interval=ALIVE_INTERVAL,
        keepalive_count_max=4,
        encoding="utf-8",
        errors="replace",
        compression_algs=["none"],
        kbdint_auth=False,
        host_based_auth=False,
        gss_host=None,
        agent_forwarding=False,
        x11_forwarding=False,
        allow_scp=False,
        server_version="wcsd",
        window=WINDOW,
    )
    await _end_of_input()
    acceptor.close()  # connections end with the process: to wait for them would be to wait for clients


async def _end_of_input() -> None:
    ended = asyncio.Event()

    def read() -> None:
        if not os.read(sys.stdin.fileno(), 1024):
            ended.set()

    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), read)
    await ended.wait()
    asyncio.get_running_loop().remove_reader(sys.stdin.fileno())


def main() -> None:
    """Run with the instructions on standard input."""
    asyncssh.set_log_level("CRITICAL")
    line = _first_line()
    if not line:
        return
    told = json.loads(line)
    paths = {name: Path(told[name]) for name in ("operator", "host_key", "keys")}
    asyncio.run(serve(Instructions(listener=told["listener"], **paths)))


def _first_line() -> bytes:
    """Unbuffered: what follows is nobody's but the event loop's."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(sys.stdin.fileno(), 1)
        if not byte:
            return b""
        line += byte
    return line


if __name__ == "__main__":
    main()
