"""The server and the streams it was started with: that nobody reads them, or that they are closed, must not stop it."""

import fcntl
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from tests.support.network import plain_http
from tests.support.servers.server_process import FREE_PORTS, ROOT, STOP_TIMEOUT, running_server
from tests.support.session.wcs_client import wcs_client

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
LOOPBACK = {"ip": "127.0.0.1"}
PIPE_SIZE = 4096
ENOUGH_SESSIONS = 40
"""Each leaves two lines, of about 150 bytes each."""


@pytest.fixture
def full_pipe() -> Iterator[tuple[int, int]]:
    """The reading and the writing end of a pipe with little room; what is open at the end is closed."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    yield reading, writing
    os.close(reading)
    os.close(writing)


async def many_sessions(url: str) -> None:
    for _ in range(ENOUGH_SESSIONS):
        async with wcs_client(url):
            pass


@pytest.mark.parametrize("reader", ["stops", "dies"])
def test_a_log_whose_reader_is_lost_changes_nothing(tmp_path: Path, full_pipe: tuple[int, int], reader: str) -> None:
    reading, writing = full_pipe
    with running_server(tmp_path, LOOPBACK, log_to=writing) as server:
        if reader == "dies":
            devnull = os.open(os.devnull, os.O_RDONLY)
            os.dup2(devnull, reading)
            os.close(devnull)
        trio.run(many_sessions, server.ws_url())
        assert plain_http.get(server.http_url("/healthz")).is_success
        server.send_signal(signal.SIGTERM)
        assert server.wait() == 0


def test_a_reader_that_comes_back_gets_the_lines(tmp_path: Path, full_pipe: tuple[int, int]) -> None:
    reading, writing = full_pipe
    with running_server(tmp_path, LOOPBACK, log_to=writing) as server:
        trio.run(many_sessions, server.ws_url())
        lines: list[bytes] = []
        with os.fdopen(os.dup(reading), "rb") as log:
            while b" session ended " not in b"".join(lines) or len(lines) < 2 * ENOUGH_SESSIONS:
                lines.append(log.readline())
    assert all(re.match(rb"\S+Z (INFO|WARNING) \w", line) for line in lines)


def test_a_ready_line_that_nobody_reads_changes_nothing(tmp_path: Path, full_pipe: tuple[int, int]) -> None:
    _, writing = full_pipe
    os.write(writing, bytes(PIPE_SIZE))
    with started(tmp_path, stdout=writing) as process:
        assert plain_http.get(health(process)).is_success


def test_a_closed_standard_output_is_not_taken_by_a_connection(tmp_path: Path) -> None:
    with started(tmp_path, closed=(0, 1)) as process:
        assert plain_http.get(health(process)).is_success
        assert opened(process, 0) == opened(process, 1) == os.devnull


def test_with_every_stream_closed_the_server_serves(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "actors.operator.wcs.client", f"--state={tmp_path}", "show", "apps"]
    with started(tmp_path, closed=(0, 1, 2)) as process:
        answers = (subprocess.run(command, env=ENVIRONMENT, capture_output=True).returncode == 0 for _ in range(1000))
        assert any(answers)  # the first ones may come before the server listens
        assert opened(process, 0) == opened(process, 1) == opened(process, 2) == os.devnull


@contextmanager
def started(
    state: Path, *, stdout: int = subprocess.DEVNULL, closed: tuple[int, ...] = ()
) -> Iterator["subprocess.Popen[bytes]"]:
    """A server whose ready line is not waited for. It is told to stop at the end, and must."""
    settings = [f"--set={key}={value}" for key, value in {**FREE_PORTS, **LOOPBACK}.items()]
    command = [sys.executable, "-P", "-m", "actors.daemon", f"--state={state}", *settings]
    shell = f'exec "$@" {" ".join(f"{number}>&-" for number in closed)}'
    with subprocess.Popen(
        ["/bin/sh", "-c", shell, "sh", *command], env=ENVIRONMENT, stdout=stdout, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(STOP_TIMEOUT) == 0
        finally:
            process.kill()


def opened(process: "subprocess.Popen[bytes]", descriptor: int) -> str:
    """What the process has open under this number."""
    return str(Path(f"/proc/{process.pid}/fd/{descriptor}").readlink())


def health(process: "subprocess.Popen[bytes]") -> str:
    """The URL that tells whether it is alive, by what it logs."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(rb'start_page="?(http://[^"\s]+)', line):
            return found[1].decode() + "healthz"
    raise AssertionError("it never served")
