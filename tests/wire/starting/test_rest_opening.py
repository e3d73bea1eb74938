"""Opening REST to the network, from the first user to a server that lets nobody else in."""

import json
from pathlib import Path

import pytest

from tests.support.network import plain_http
from tests.support.servers.server_process import ServerProcess, running_server
from tests.support.web.access import basic

OPEN = {"http.address": "0.0.0.0"}
FIND = "/rest-api/connection/find_all"


def status_of(server: ServerProcess, authorization: str | None) -> int:
    headers = {"Authorization": authorization} if authorization else {}
    return plain_http.get(server.http_url(FIND), headers=headers).status_code


def login_after_reload(server: ServerProcess, *, check: bool) -> bool | None:
    """What a reload by REST says of logins; None: nothing changes."""
    answer = server.post("/admin/reload", {"check": check}).json()
    assert (answer["changed"], answer["waiting"]) == ([], [])
    required: bool | None = answer["loginRequired"]
    return required


def test_a_reload_by_rest_says_that_it_locks_its_caller_out(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        assert login_after_reload(server, check=False) is None
        server.operate("add", "user", "backend", "pässword")
        assert login_after_reload(server, check=True) is True
        assert login_after_reload(server, check=False) is True
        assert status_of(server, None) == 401
    audit = [json.loads(line) for line in (tmp_path / "state" / "audit.jsonl").read_text().splitlines()]
    assert [line.get("login_required") for line in audit] == [None, None, True, True]


def test_a_check_tells_of_logins_that_the_file_would_require(tmp_path: Path) -> None:
    config = tmp_path / "my.properties"
    config.write_text("ip=127.0.0.1\n")
    with running_server(tmp_path, config=config) as server:
        config.write_text("ip=127.0.0.1\nrest.auth=required\n")
        told = server.operate("reload", "--check")
        assert "would change: callers of REST have to log in" in told
        assert status_of(server, None) == 404


def test_from_loopback_without_a_login_to_the_network_with_one(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"http.address: 0.0.0.0 is open to the network.*`wcs add user NAME`"):
        ServerProcess(tmp_path, OPEN)
    with running_server(tmp_path) as server:
        assert status_of(server, None) == 404
        told = server.operate("add", "user", "backend", "pässword")
        token = json.loads(server.operate("--json", "add", "token", "ci", "--role", "view"))["rows"][0]["token"]
        assert "After the next reload (wcs reload) everybody has to" in told
        assert "would change: callers of REST have to log in" in server.operate("reload", "--check")
        assert status_of(server, None) == 404, "nobody is locked out at once"
        assert "changed: callers of REST have to log in" in server.operate("reload")
        assert status_of(server, None) == 401
    with running_server(tmp_path, OPEN) as server:
        statuses = [status_of(server, given) for given in (None, basic("backend", "pässword"), f"Bearer {token}")]
        assert statuses == [401, 404, 404]
        assert status_of(server, basic("backend", "wrong")) == 401
        assert "https://" in server.operate("console")
        groups = plain_http.get(
            server.http_url("/?action=stat&format=json"),
            headers={"Authorization": f"Bearer {token}"},
        ).json()
        assert groups["access_stats"] == {
            "passwords_compared": 2,
            "logins_refused": 1,
            "logins_held_back": 0,
            "audit_lost": 0,
        }
    audit = [json.loads(line) for line in (tmp_path / "state" / "audit.jsonl").read_text().splitlines()]
    assert [line["what"] for line in audit] == ["add user", "add token", "reload", f"GET {FIND}", "console"]
    assert (tmp_path / "state" / "audit.jsonl").stat().st_mode & 0o777 == 0o600
    assert "last_used = " in (tmp_path / "state" / "users.toml").read_text()
    everything = server.log() + json.dumps(audit) + (tmp_path / "state" / "users.toml").read_text()
    assert token not in everything
    assert "pässword" not in everything


def test_a_server_that_requires_logins_starts_without_a_user_and_is_given_one(tmp_path: Path) -> None:
    with running_server(tmp_path, {**OPEN, "disable_rest_auth": "false"}) as server:
        assert "there is no active user and no valid token" in server.log()
        assert status_of(server, None) == 401
        server.operate("add", "user", "first", "pw")
        assert status_of(server, basic("first", "pw")) == 404
