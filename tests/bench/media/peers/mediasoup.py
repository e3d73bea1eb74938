"""mediasoup, from an npm package that somebody has installed, with a few lines of signalling around it.

It is not fetched: `npm install mediasoup` takes a compiler, or a worker from the project's releases. Of versions up to
3.8 the package has all sources, and its build wants Python 2 as `python2` (`docs/performance.md`).
"""

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_SCRIPT = Path(__file__).with_name("mediasoup_server.js")
_STOP_TIMEOUT = 10.0


class Mediasoup:
    """A running one. `pid` is the worker, which carries media; its viewers are ended one by one, in one request."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.pid = int(told["pid"])
        self.ws_url = f"tcp://127.0.0.1:{told['port']}"
        self.version = f"mediasoup {told['version']}"
        self._port = int(told["port"])

    def prepare(self, stream: str) -> None:
        pass

    def kick(self) -> int:
        with socket.create_connection(("127.0.0.1", self._port)) as control:
            called_at = time.monotonic_ns()
            control.sendall(b'{"do": "kick"}\n')
            control.recv(100)
        return called_at

    def remark(self) -> str:
        return ""


@contextlib.contextmanager
def running_mediasoup(host: str, modules: Path) -> Iterator[Mediasoup]:
    """`modules` is the folder `node_modules` that has it."""
    process = subprocess.Popen(
        ["node", _SCRIPT, host],
        env={**os.environ, "NODE_PATH": str(modules.resolve())},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"mediasoup did not start: is it in {modules}?")
        yield Mediasoup(json.loads(line))
    finally:
        process.stdin.close()
        try:
            process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
