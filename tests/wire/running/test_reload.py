"""Reloading in a running process: by signal, command and REST."""

import signal
from pathlib import Path

import httpx
import trio

from tests.support.media.steady_media import steady_media
from tests.support.network import plain_http
from tests.support.servers.server_process import ServerProcess, running_server
from tests.support.session.wcs_client import wcs_client

HANGUP = signal.SIGHUP


def settings_file(folder: Path, *lines: str) -> Path:
    file = folder / "wcsd.properties"
    file.write_text("\n".join(("ip=127.0.0.1", *lines)) + "\n")
    return file


def reloaded(server: ServerProcess, count: int = 1) -> None:
    """Wait for the end of the reload of this number."""
    server.wait_until(lambda: server.log().count("settings reloaded") == count, what="a reload")


async def test_a_hangup_reloads_and_no_packet_is_lost(tmp_path: Path) -> None:
    config = settings_file(tmp_path)
    with running_server(tmp_path, config=config) as server:
        async with wcs_client(server.ws_url()) as client:
            publication = await client.publish("news")
            playback = await client.play("news")
            async with steady_media(publication, playback) as media:
                settings_file(tmp_path, "codecs=opus", "log.format=json", "trusted_proxies=10.0.0.1")
                server.send_signal(HANGUP)
                await trio.to_thread.run_sync(reloaded, server)
                await media.so_many_more()
        log = server.log()
        assert '"event": "setting changed", "key": "codecs", "before": "opus,ulaw,alaw,vp8' in log
        assert '"event": "setting waits for a restart", "key": "trusted_proxies"' in log, "in the new format"
        assert '"event": "settings reloaded", "changed": 2, "waiting": 1, "by": "SIGHUP"' in log


def test_one_bad_line_and_nothing_changes(tmp_path: Path) -> None:
    config = settings_file(tmp_path)
    with running_server(tmp_path, config=config) as server:
        settings_file(tmp_path, "log.level=debug", "rest.max_body_size=much")
        server.send_signal(HANGUP)
        place = f"{config}:3: rest.max_body_size: "
        server.wait_until(lambda: f'settings not reloaded fault="{place}' in server.log(), what="an error line")
        answer = server.post("/admin/reload", {})
        assert (answer.status_code, place in answer.json()["reason"]) == (httpx.codes.CONFLICT, True)
        assert "DEBUG" not in server.log()
        settings_file(tmp_path, "log.level=debug")
        answer = server.post("/admin/reload", {})
        assert answer.json()["changed"] == [{"key": "log.level", "before": "info", "after": "debug"}]


def test_a_check_changes_nothing_and_what_is_done_is_done_once(tmp_path: Path) -> None:
    config = settings_file(tmp_path)
    with running_server(tmp_path, config=config) as server:
        settings_file(tmp_path, "rest.terminate_all=deny", "ws.proxy_protocol=true", "trusted_proxies=10.0.0.1")
        wait = (
            "waits for a restart: ws.proxy_protocol=true (before: false)\n"
            "waits for a restart: trusted_proxies=10.0.0.1 (before: )\n"
        )
        change = "rest.terminate_all=deny (before: allow)\n"
        assert server.operate("reload", "--check") == f"would change: {change}{wait}"
        assert server.terminate({}).status_code == httpx.codes.NOT_FOUND
        assert server.operate("reload") == f"changed: {change}{wait}"
        assert server.terminate({}).status_code == httpx.codes.BAD_REQUEST
        assert server.operate("reload") == wait
        assert '"what":"reload"' in (server.state / "audit.jsonl").read_text().replace(" ", "")


def test_the_command_line_stays_in_force_and_a_default_comes_back(tmp_path: Path) -> None:
    config = settings_file(tmp_path, "rest.terminate_all=deny", "max_sessions=5")
    with running_server(tmp_path, {"max_sessions": 7}, config=config) as server:
        settings_file(tmp_path, "max_sessions=9")
        assert server.operate("reload") == "changed: rest.terminate_all=allow (before: deny)\n"


def test_whether_callers_must_log_in_is_decided_anew(tmp_path: Path) -> None:
    config = settings_file(tmp_path)
    with running_server(tmp_path, config=config) as server:
        server.operate("add", "user", "alice", "some-long-password", "--role", "admin")
        assert server.post("/stream/find", {}).status_code == httpx.codes.NOT_FOUND
        server.operate("reload")
        assert server.post("/stream/find", {}).status_code == httpx.codes.UNAUTHORIZED
        url = server.http_url("/rest-api/stream/find")
        answer = plain_http.post(url, json={}, auth=("alice", "some-long-password"))
        assert answer.status_code == httpx.codes.NOT_FOUND


def test_rest_is_not_opened_to_strangers_by_an_address_that_is_not_in_force_yet(tmp_path: Path) -> None:
    config = settings_file(tmp_path, "http.address=0.0.0.0", "rest.auth=required")
    with running_server(tmp_path, config=config) as server:
        settings_file(tmp_path, "http.address=127.0.0.1", "rest.auth=off")
        server.send_signal(HANGUP)
        line = 'settings not reloaded fault="http.address: 0.0.0.0 is open to the network'
        server.wait_until(lambda: line in server.log(), what="an error line")
        assert server.post("/stream/find", {}).status_code == httpx.codes.UNAUTHORIZED
