"""The sample backend of `docs/examples`, run as its first lines say, before a real server."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from protocol.hooks import signature
from tests.support.network import plain_http
from tests.support.servers.server_process import ROOT, ServerProcess, running_server
from tests.support.session.wcs_client import PATIENCE, wcs_client

PROGRAM = ROOT / "docs/examples/backend.py"
LIMIT = 1.0
"""Seconds that a publication of `shortApp` may last."""
DENIED = "Unknown token, or wrong login or password"


@contextmanager
def running_backend(*arguments: str) -> Iterator[str]:
    """The sample on a free port; its URL."""
    command = [sys.executable, str(PROGRAM), "--port=0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[1]
        finally:
            process.terminate()


@pytest.fixture(scope="module", name="server")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose application is set up by the very commands and settings that the sample names."""
    text = PROGRAM.read_text()
    settings = dict(re.findall(r"^    (\w+)=(\S+)$", text, re.MULTILINE))
    settings["streaming_sessions_keep_alive_interval"] = "100"
    commands = re.findall("^    bin/wcs (.+)$", text, re.MULTILINE)
    assert (len(settings), len(commands)) == (3, 2)
    settings["streaming_sessions_keep_alive_app_keys"] += ",shortApp"
    login = ("--basic", "wcs:secret")
    with running_backend(*login) as url, running_backend(*login, f"--minutes={LIMIT / 60}") as short:
        with running_server(tmp_path_factory.mktemp("server"), settings) as server:
            for command in commands:
                server.operate(*shlex.split(command.replace("http://localhost:8090/my_api", url)))
            server.operate("update", "app", "-u", "wcs", "-p", "secret", "defaultApp")
            server.operate("add", "app", "-u", "wcs", "-p", "secret", "short", "shortApp", short)
            server.operate("add", "app-rest-method", "shortApp", "-a")
            yield server


@pytest.mark.parametrize(
    "custom",
    [
        {"token": "token-of-anna"},
        {"login": "anna", "password": "please change me"},
        {"token": 5, "login": "victor", "password": "me too"},
    ],
)
async def test_a_token_or_a_login_with_its_password_opens_a_session(
    server: ServerProcess, custom: dict[str, Any]
) -> None:
    async with wcs_client(server.ws_url(), custom=custom) as client:
        assert client.of("getUserData", status="ESTABLISHED")


@pytest.mark.parametrize(
    "custom",
    [
        {"token": "token-of-nobody"},
        {"token": None},
        {"token": "\ud800"},
        {"login": "anna", "password": "guess"},
        {"login": "anna"},
        {"login": ["anna"], "password": "please change me"},
        {"login": "nobody", "password": "please change me"},
        "token-of-anna",
        None,
    ],
)
async def test_nothing_else_does(server: ServerProcess, custom: object) -> None:
    async with wcs_client(server.ws_url(), established=False) as client:
        await client.send("connection", {"appKey": "defaultApp", "mediaProviders": ["WebRTC"], "custom": custom})
        refusal = await client.receive("fail")
        assert refusal == {"apiMethod": "ConnectionStatusEvent", "status": "FAILED", "info": DENIED}
        with trio.fail_after(PATIENCE):
            await client.closed.wait()


async def test_a_viewer_may_watch_and_not_publish(server: ServerProcess) -> None:
    async with (
        wcs_client(server.ws_url(), custom={"token": "token-of-anna"}) as anna,
        wcs_client(server.ws_url(), custom={"token": "token-of-victor"}) as victor,
    ):
        await anna.publish("news")
        await victor.play("news")
        refused = await victor.request("publishStream", "mine", "v=0")
        failed = await victor.receive("notifyStreamStatusEvent", mediaSessionId=refused, status="FAILED")
        assert failed["info"] == "You may watch, not publish"


async def test_a_publication_ends_when_its_time_is_over_and_may_begin_again(server: ServerProcess) -> None:
    async with wcs_client(server.ws_url(), appKey="shortApp", custom={"token": "token-of-anna"}) as client:
        began = trio.current_time()
        publication = await client.publish("news")
        ended = await publication.status("FAILED")
        assert trio.current_time() - began > LIMIT
        assert ended["info"] == "Terminated by keep-alive"
        await client.publish("news")


def test_a_hook_that_comes_twice_is_answered_as_the_first_time() -> None:
    with running_backend() as url, httpx.Client(trust_env=False, timeout=30) as client:

        def post(method: str, hook_id: str | None, **body: Any) -> int:
            headers = {} if hook_id is None else {"X-WCS-Hook-Id": hook_id}
            return client.post(f"{url}/{method}", json=body, headers=headers).status_code

        assert post("connect", "1", sessionId="s", custom={"token": "token-of-anna"}) == 200
        assert post("publishStream", "2", sessionId="s") == 200
        assert post("ConnectionStatusEvent", "3", sessionId="s", status="DISCONNECTED") == 200
        assert [post("publishStream", hook_id, sessionId="s") for hook_id in ("2", "4", None, None)] == [
            200,
            403,
            403,
            403,
        ]
        assert post("connect", None, sessionId="s", custom={"token": "token-of-anna"}) == 200
        assert post("publishStream", None, sessionId="s") == 200


def test_a_caller_without_the_applications_password_is_turned_away() -> None:
    with running_backend("--basic", "wcs:secret") as url:
        assert plain_http.post(f"{url}/connect", json={}).status_code == 401


def test_a_caller_without_the_servers_signature_is_turned_away() -> None:
    content = b'{"sessionId":"s","custom":{"token":"token-of-anna"}}'
    with running_backend("--key", "1234567890") as url:

        def post(key: bytes) -> int:
            headers = {"Authorization": signature(key, content).decode()}
            return plain_http.post(f"{url}/connect", content=content, headers=headers).status_code

        assert [post(b"1234567890"), post(b"123456789")] == [200, 403]
        assert plain_http.post(f"{url}/connect", content=content).status_code == 403


def test_the_sample_needs_the_standard_library_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", str(PROGRAM), "--help"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=30).returncode == 0
