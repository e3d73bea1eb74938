"""A server that runs out of descriptors: sessions go without first, and REST, the operator and the log stay usable."""

import contextlib
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.network import plain_http
from tests.support.servers.server_process import ServerProcess, running_server

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with running_server(tmp_path, {"ip": "127.0.0.1"}) as server:
        yield server


def limit_descriptors(server: ServerProcess, more: int) -> int:
    """Let the server open so many more than it has; the limit."""
    limit = descriptors(server) + more
    resource.prlimit(
        server.pid, resource.RLIMIT_NOFILE, (limit, resource.prlimit(server.pid, resource.RLIMIT_NOFILE)[1])
    )
    return limit


def descriptors(server: ServerProcess) -> int:
    return len(list(Path(f"/proc/{server.pid}/fd").iterdir()))


def upgraded(server: ServerProcess) -> socket.socket | None:
    """A session's socket, or None where the server closes it."""
    (address,) = server.addresses["ws"]
    client = socket.create_connection(("127.0.0.1", address.port), timeout=60)
    with contextlib.suppress(ConnectionError):
        client.sendall(UPGRADE)
        if client.recv(12) == b"HTTP/1.1 101":
            return client
    client.close()
    return None


def is_let_in(server: ServerProcess) -> bool:
    session = upgraded(server)
    if session is not None:
        session.close()
    return session is not None


def lines(server: ServerProcess, event: str) -> list[str]:
    return [line for line in server.log().splitlines() if event in line]


def test_sessions_leave_descriptors_to_rest_and_the_operator(server: ServerProcess) -> None:
    limit = limit_descriptors(server, 60)
    sessions = []
    while (session := upgraded(server)) is not None:
        sessions.append(session)
    assert len(sessions) > 20
    assert limit - descriptors(server) >= limit // 4
    for _ in range(50):
        assert upgraded(server) is None
    assert plain_http.get(server.http_url("/healthz")).status_code == httpx.codes.OK
    assert server.terminate({"name": "nobody"}).status_code == httpx.codes.NOT_FOUND
    server.operate("add", "app", "Late", "lateKey", "http://127.0.0.1:9/hooks")
    told = lines(server, "few descriptors are left")
    assert 1 <= len(told) < 50, "rarely"
    assert "LimitNOFILE" in told[0]
    for session in sessions:
        session.close()
    server.wait_until(lambda: is_let_in(server), what="sessions are taken again")


def test_idle_http_connections_leave_descriptors_to_the_operator(server: ServerProcess) -> None:
    limit_descriptors(server, 60)
    (address,) = server.addresses["http"]
    idle = [socket.create_connection(("127.0.0.1", address.port), timeout=60) for _ in range(100)]
    server.wait_until(lambda: bool(lines(server, "few descriptors are left")), what="the reserve is reached")
    server.operate("add", "app", "Late", "lateKey", "http://127.0.0.1:9/hooks")
    for client in idle:
        client.close()
    server.wait_until(lambda: plain_http.answers(server.http_url("/healthz")), what="REST is back")


def test_a_server_without_any_descriptor_says_so_rarely_and_goes_on_later(server: ServerProcess) -> None:
    before, began = resource.prlimit(server.pid, resource.RLIMIT_NOFILE), time.monotonic()
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (3, before[1]))
    (address,) = server.addresses["http"]
    with socket.create_connection(("127.0.0.1", address.port), timeout=60) as client:
        server.wait_until(lambda: bool(lines(server, "no descriptors are left")), what="the log tells of it")
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, before)
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 200"
    seconds = time.monotonic() - began
    assert len(lines(server, "no descriptors are left")) <= seconds + 2, "one a second"
