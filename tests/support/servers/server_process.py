"""The server as an operator runs it: a process with a ready line, a log, and an exit code.

    with running_server(tmp_path, {"play_wait_timeout": 500}) as server:
        ... server.ws_url() ... server.terminate({"name": "news"})

Every port is a free one. At its end the server is told to stop, and must do so in time, with exit code 0, one line on
standard output and no crash in its log.
"""

import contextlib
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
from attrs import frozen

from tests.support.network import plain_http

ROOT = Path(__file__).resolve().parents[3]
START_TIMEOUT = 120.0
STOP_TIMEOUT = 60.0
FREE_PORTS = {"ws.port": 0, "wss.port": 0, "http.port": 0, "https.port": 0, "media_port_from": 0}
AT_ANY_SPEED = {"overload.max_loop_lag": 0}
"""A slow machine is no overload: tests that are about overload set a limit."""
DEFECTS = re.compile(r"traceback|crash|\w+Warning:", re.IGNORECASE)
"""What no log of a healthy server holds, whatever its clients do."""
WARNINGS = "default,ignore:Unclosed <MemoryObject:ResourceWarning"
"""What is shown: all but that coredis forgets streams in memory when it cannot connect."""
POLL = 0.02
"""Seconds between two looks at something that tells no one of its change."""


@frozen
class Address:
    """Where one listener is bound."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `HOST:PORT`, IPv6 in brackets."""
        host, _, port = text.rpartition(":")
        return cls(host.strip("[]"), int(port))

    def as_seen_by_client(self, host: str | None) -> str:
        """`HOST:PORT` for a URL; a listener on every address is reached over IPv4 loopback if no host is given."""
        chosen = host or {"::": "127.0.0.1", "0.0.0.0": "127.0.0.1"}.get(self.host, self.host)
        return f"[{chosen}]:{self.port}" if ":" in chosen else f"{chosen}:{self.port}"


class ServerProcess:
    """A started server. The constructor returns when the ready line has come; it raises if none does.

    `log_to` is a descriptor that gets the log in the place of a file, `config` a settings file, `root` the checkout,
    `options` further ones of the command line.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, object],
        module: str = "actors.daemon",
        log_to: int | None = None,
        config: Path | None = None,
        root: Path = ROOT,
        options: Sequence[str] = (),
    ) -> None:
        self.state = folder / "state"
        self.headers: dict[str, str] = {}  # of each request to REST, such as credentials
        self._log_file = folder / "server.log"
        arguments = [f"--set={key}={value}" for key, value in {**FREE_PORTS, **AT_ANY_SPEED, **settings}.items()]
        arguments += [*options, *([] if config is None else [f"--config={config}"])]
        with self._log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", module, f"--state={self.state}", *arguments],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(root), "PYTHONWARNINGS": WARNINGS},
                stdout=subprocess.PIPE,
                stderr=log if log_to is None else log_to,
            )
        try:
            self.ready_line = self._read_line()
            self.addresses = _read_ready_line(self.ready_line)
        except BaseException:
            self._kill()
            raise

    # -- addresses ---------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def media_port(self) -> int:
        """The UDP port of media, by the log."""
        told = re.search(r"media addresses told=\S+:(\d+)", self.log())
        assert told, self.log()
        return int(told[1])

    def ws_url(self, host: str | None = None) -> str:
        return f"ws://{self._reach('ws', host)}"

    def wss_url(self, host: str | None = None) -> str:
        return f"wss://{self._reach('wss', host)}"

    def http_url(self, path: str = "/") -> str:
        return f"http://{self._reach('http', None)}{path}"

    def https_url(self, path: str = "/") -> str:
        return f"https://{self._reach('https', None)}{path}"

    def _reach(self, listener: str, host: str | None) -> str:
        (address,) = self.addresses[listener]
        return address.as_seen_by_client(host)

    # -- REST --------------------------------------------------------------------------------------

    def post(self, path: str, body: Any) -> httpx.Response:
        """POST to the REST API; `path` is what follows `/rest-api`."""
        return plain_http.post(self.http_url(f"/rest-api{path}"), json=body, headers=self.headers)

    def terminate(self, filters: Mapping[str, object]) -> httpx.Response:
        return self.post("/stream/terminate", dict(filters))

    def streams(self, **filters: object) -> list[dict[str, Any]]:
        """The live streams that match, as `stream/find` shows them."""
        return self._found("/stream/find", filters)

    def connections(self) -> list[dict[str, Any]]:
        return self._found("/connection/find_all", {})

    def _found(self, path: str, filters: Mapping[str, object]) -> list[dict[str, Any]]:
        answer = self.post(path, dict(filters))
        if answer.status_code == httpx.codes.NOT_FOUND:
            return []
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found

    def operate(self, *command: str) -> str:
        """Run a command of the operator's program `wcs`; what it printed."""
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "actors.operator.wcs.client", f"--state={self.state}", *command],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ended.returncode == 0, f"{command}: exit code {ended.returncode}\n{ended.stdout}{ended.stderr}"
        return ended.stdout

    # -- watching ----------------------------------------------------------------------------------

    def log(self) -> str:
        """What the server has logged so far."""
        return self._log_file.read_text(errors="backslashreplace")

    def wait_until(self, condition: Callable[[], bool], *, what: str, timeout: float = 60.0) -> None:
        """Look until the condition holds. Fails when the time runs out, and at once when the server ends."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"not in {timeout} s: {what}"
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._process.wait(POLL)
                raise AssertionError(f"the server ended with exit code {code}; expected: {what}\n{self.log()}")

    def wait_until_empty(self) -> None:
        """Wait until no client and no stream is left."""
        self.wait_until(lambda: not self.connections() and not self.streams(), what="no session and no stream is left")

    def thread_names(self) -> list[str]:
        """The names that the system knows the threads of the process by."""
        return thread_names(self.pid)

    def process_name(self) -> str:
        """The name that the system knows the process by, which is its main thread's."""
        return Path(f"/proc/{self.pid}/comm").read_text().strip()

    # -- the end -----------------------------------------------------------------------------------

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self, timeout: float = STOP_TIMEOUT) -> int:
        """Wait for the end of the process; its exit code."""
        return self._process.wait(timeout)

    def stop(self) -> None:
        """Tell the server to stop, unless it has, and check how it ended."""
        try:
            if self._process.poll() is None:
                self.send_signal(signal.SIGTERM)
            code = self.wait()
        finally:
            rest = self._kill()
        assert code == 0, f"exit code {code}\n{self.log()}"
        assert not rest, f"more than the ready line on standard output: {rest!r}"
        defects = [line for line in self.log().splitlines() if DEFECTS.search(line)]
        assert not defects, "the log tells of defects:\n" + "\n".join(defects)

    def kill(self) -> None:
        """End the process as `kill -9` does."""
        self._kill()

    def _kill(self) -> bytes:
        """End the process in any case; what was left of its standard output."""
        self._process.kill()
        rest, _ = self._process.communicate()
        return rest or b""

    def _read_line(self) -> str:
        """The first line of standard output."""
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        content = b""
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            deadline = time.monotonic() + START_TIMEOUT
            while not content.endswith(b"\n"):
                remaining = deadline - time.monotonic()
                assert selector.select(max(remaining, 0)), f"no ready line in time\n{self.log()}"
                piece = os.read(descriptor, 65536)
                assert piece, f"the server did not start\n{self.log()}"
                content += piece
        return content.decode()


def thread_names(process: int | str) -> list[str]:
    """The names that the system knows the threads of a process by, this one being `self`."""
    names = []
    for comm in Path(f"/proc/{process}/task").glob("*/comm"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended meanwhile
            names.append(comm.read_text().strip())
    return sorted(names)


def _read_ready_line(line: str) -> dict[str, tuple[Address, ...]]:
    """The addresses by listener: ws, wss, http, https (one each), media, and public if there are such listeners."""
    pattern = r"wcsd ready ws=(\S+) wss=(\S+) http=(\S+) https=(\S+) media=(\S+)(?: public=(\S+))?\n"
    match = re.fullmatch(pattern, line)
    assert match, f"not the ready line: {line!r}"
    names = ("ws", "wss", "http", "https", "media", "public")
    return {
        name: tuple(Address.parse(one) for one in text.split(","))
        for name, text in zip(names, match.groups(), strict=True)
        if text is not None
    }


@contextlib.contextmanager
def running_server(
    folder: Path,
    settings: Mapping[str, object] | None = None,
    *,
    module: str = "actors.daemon",
    log_to: int | None = None,
    config: Path | None = None,
    root: Path = ROOT,
    options: Sequence[str] = (),
) -> Iterator[ServerProcess]:
    """A server with its state and its log in `folder`, stopped and checked at the end.

    `module` is what is run, of the checkout in `root`.
    """
    server = ServerProcess(folder, settings or {}, module, log_to, config, root, options)
    try:
        yield server
    finally:
        server.stop()
