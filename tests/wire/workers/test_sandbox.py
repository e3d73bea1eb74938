"""What a process can still do in the sandbox of workers."""

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import trio

from tests.support.operator.operator_console import ROOT

PROGRAM: Final = """
import json, os, signal, socket, sys
from actors.workers.programs.common.libc import libc
from actors.workers.programs.common.sandbox import enter

path, given, parent = sys.argv[1], socket.socket(fileno=int(sys.argv[2])), int(sys.argv[3])
landlock = libc.syscall(444, None, 0, 1)
refused = enter(0, has_network=True)


def outcome(act):
    try:
        act()
    except OSError as error:
        return type(error).__name__
    return "done"


def connect():
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(path)


told = {
    "refused": refused,
    "landlock": landlock,
    "connect": outcome(connect),
    "pair": outcome(socket.socketpair),
    "internet": outcome(lambda: socket.socket(socket.AF_INET).close()),
    "signal": outcome(lambda: os.kill(parent, 0)),
    "given": outcome(lambda: given.send(b"still open")),
}
print(json.dumps(told))
"""


@pytest.fixture
async def told(tmp_path: Path) -> dict[str, Any]:
    """What a process in the sandbox could do."""
    ours, theirs = socket.socketpair()
    path = str(tmp_path / "wcs.sock")
    with ours, theirs, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        done = await trio.run_process(
            [sys.executable, "-P", "-c", PROGRAM, path, str(theirs.fileno()), str(os.getpid())],
            capture_stdout=True,
            pass_fds=[theirs.fileno()],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert ours.recv(100) == b"still open"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def test_a_worker_can_connect_to_no_unix_socket(told: dict[str, Any]) -> None:
    """The operator's, which takes any command lets in every process of the server's user."""
    assert "unix-sockets" not in told["refused"]
    assert (told["connect"], told["pair"]) == ("PermissionError", "PermissionError")
    assert (told["internet"], told["given"]) == ("done", "done")


async def test_a_worker_can_send_no_signal_to_the_server(told: dict[str, Any]) -> None:
    knows_of_signals = told["landlock"] >= 6 and "landlock" not in told["refused"]
    assert told["signal"] == ("PermissionError" if knows_of_signals else "done")
