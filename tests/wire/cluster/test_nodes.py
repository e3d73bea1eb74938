"""`wcsd --nodes 4`: one server of four processes, as an operator runs it."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from tests.support.network import plain_http
from tests.support.servers.notify_socket import notify_socket
from tests.support.servers.server_process import FREE_PORTS, ROOT, ServerProcess, running_server
from tests.support.session.wcs_client import ClientStream, WcsClient, wcs_client
from tests.support.webrtc.h264_peer import h264_peer
from tests.support.webrtc.media_peer import MediaPeer
from tests.support.workers.page_recording import show

NODES = 4
SESSIONS = 40
LOOPBACK = {
    "ip": "127.0.0.1",
    "records.min_free": 0,
    "cluster.timeout": 20_000,
    "cluster.answer_timeout": 20_000,
    "push.timeout": 60_000,
}
GROUPS = "/rest-api/multipleRecorder"
GROUP = {"uri": "multi-recorder://both"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(tmp_path_factory.mktemp("nodes"), LOOPBACK, options=[f"--nodes={NODES}"]) as server:
        yield server


def pid_of(server: ServerProcess, node: int) -> int:
    return int((server.state / f"node-{node}" / "lock").read_text())


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with contextlib.suppress(OSError):  # it has just been reaped
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@asynccontextmanager
async def clients(server: ServerProcess, count: int) -> AsyncIterator[list[WcsClient]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(wcs_client(server.ws_url())) for _ in range(count)]


def node_ids(server: ServerProcess) -> list[str]:
    """By the number of the node."""
    return [(server.state / f"node-{node}" / "node-id").read_text().strip() for node in range(NODES)]


def test_the_ready_line_has_one_port_for_each_listener_and_one_for_the_media_of_each_node(
    server: ServerProcess,
) -> None:
    assert len({address.port for address in server.addresses["media"]}) == NODES
    assert len(set(node_ids(server))) == NODES
    assert (server.state / "redis.sock").stat().st_mode & 0o777 == 0o600


def wait_until_each_knows_all(server: ServerProcess) -> None:
    def knows_all(node: int) -> bool:
        return len(json.loads(server.operate(f"--node={node}", "--json", "show", "nodes"))["rows"]) == NODES

    for node in range(NODES):
        server.wait_until(partial(knows_all, node), what="a beat")


def check_that_each_node_tells_of_all(server: ServerProcess) -> None:
    """Each request has a connection of its own, and so another node may answer it."""
    for _ in range(NODES):
        # A node that is slow to answer another one is left out.
        server.wait_until(partial(_metrics_are_of_all, server), what="metrics of all nodes")
        server.wait_until(partial(_statistics_are_of_all, server), what="statistics of all nodes")
        overview = plain_http.get(server.http_url("/page/overview")).json()
        assert (overview["samples"][-1]["published"], overview["alarms"]) == (0, [])
        assert plain_http.get(server.http_url("/page/hooks")).json() == {"latest": [], "failed": []}


def _metrics_are_of_all(server: ServerProcess) -> bool:
    metrics = plain_http.get(server.http_url("/metrics")).text
    sessions = re.findall(r'^wcsd_connections{node="(\d)"} (\S+)$', metrics, re.MULTILINE)
    has_all = [int(node) for node, _ in sessions] == list(range(NODES))
    return has_all and sum(float(count) for _, count in sessions) == SESSIONS


def _statistics_are_of_all(server: ServerProcess) -> bool:
    return f"connections={SESSIONS}\n" in plain_http.get(server.http_url("/?action=stat")).text


def asked(server: ServerProcess, path: str, body: Mapping[str, object]) -> httpx.Response:
    """By a connection of its own, so that any node may be asked."""
    return plain_http.post(server.http_url(path), json=body)


def found_by_any(server: ServerProcess, path: str) -> list[dict[str, Any]]:
    """What is found, whichever node is asked: the same by several connections."""
    answers = [asked(server, path, {}).raise_for_status() for _ in range(2 * NODES)]
    assert {each.headers["X-Cluster-Nodes"] for each in answers} == {f"{NODES}/{NODES}"}
    assert len({len(each.text) for each in answers}) == 1
    found: list[dict[str, Any]] = answers[0].json()
    return found


async def two_on_different_nodes(server: ServerProcess, sessions: list[WcsClient]) -> list[ClientStream]:
    """Two publications that are not on the same node."""
    first = await sessions[0].publish("stream-0")
    for number, session in enumerate(sessions[1:], 1):
        other = await session.publish(f"stream-{number}")
        found = await trio.to_thread.run_sync(partial(asked, server, "/rest-api/stream/find_all", {}))
        nodes = {each["mediaSessionId"]: each["nodeId"] for each in found.json()}
        if nodes[other.id] != nodes[first.id]:
            return [first, other]
    raise AssertionError("all sessions are on one node")


def test_a_page_with_a_load_balancer_is_sent_to_the_name_that_it_has_called(server: ServerProcess) -> None:
    ports = {name: str(server.addresses[name][0].port) for name in ("ws", "wss")}
    for _ in range(2 * NODES):
        answer = plain_http.get(server.http_url("/rest-api/lb"), headers={"Host": "wcs.example.com:8888"})
        assert answer.json() == {"server": "wcs.example.com", **ports, "flash": ""}


async def test_what_rest_has_begun_is_found_and_ended_whichever_node_is_asked(server: ServerProcess) -> None:
    await trio.to_thread.run_sync(wait_until_each_knows_all, server)
    async with clients(server, 12) as sessions:
        streams = await two_on_different_nodes(server, sessions)
        ids = [each.id for each in streams]
        await trio.to_thread.run_sync(begin_a_group_of_recordings, server, ids)
        for stream in streams:
            await show(stream, await stream.client.play(stream.name))
        await trio.to_thread.run_sync(check_the_files_of_the_group, server, ids)
        await sessions[-1].publish("pushed", peer=h264_peer())
        await trio.to_thread.run_sync(check_pushes, server, "pushed")
        await trio.to_thread.run_sync(check_whip, server)


def begin_a_group_of_recordings(server: ServerProcess, ids: list[str]) -> None:
    assert asked(server, f"{GROUPS}/startup", GROUP).status_code == 200
    assert asked(server, f"{GROUPS}/startup", GROUP).status_code == 409
    for stream in ids:
        answer = asked(server, f"{GROUPS}/add", {**GROUP, "mediaSessionId": stream})
        assert answer.status_code == 200, answer.text


def check_the_files_of_the_group(server: ServerProcess, ids: list[str]) -> None:
    path = GROUPS
    (group,) = found_by_any(server, f"{path}/find_all")
    assert (sorted(group["mediaSessionsId"]), group["fileName"]) == (sorted(ids), "multi-recorder___both.json")
    assert asked(server, f"{path}/terminate", GROUP).status_code == 200
    assert asked(server, f"{path}/terminate", GROUP).status_code == 404
    server.wait_until(lambda: _file(server, group["fileName"]).status_code == 200, what="the list of its files")
    listed = _file(server, group["fileName"]).json()["files"]
    assert sorted(each["mediaSessionId"] for each in listed) == sorted(ids)
    for each in listed:
        for _ in range(NODES):
            assert len(_file(server, each["fileName"]).raise_for_status().content) == each["size"]


def _file(server: ServerProcess, name: str) -> httpx.Response:
    return plain_http.get(server.http_url(f"/client/records/{name}"))


def check_pushes(server: ServerProcess, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        _check_pushes(server, {"streamName": name, "rtmpUrl": f"rtmp://127.0.0.1:{silent.getsockname()[1]}/live"})


def _check_pushes(server: ServerProcess, order: Mapping[str, object]) -> None:
    path = "/rest-api/push"
    begun = asked(server, f"{path}/startup", order)
    assert begun.status_code == 200, begun.text
    assert asked(server, f"{path}/startup", order).status_code == 409
    push = begun.json()["mediaSessionId"]
    for _ in range(NODES):
        assert asked(server, f"{path}/mute", {"mediaSessionId": push}).status_code == 200
    assert [(each["mediaSessionId"], each["muted"]) for each in found_by_any(server, f"{path}/find_all")] == [
        (push, True)
    ]
    assert asked(server, f"{path}/terminate", {"mediaSessionId": push}).status_code == 200
    assert asked(server, f"{path}/terminate", {"mediaSessionId": push}).status_code == 404
    assert asked(server, f"{path}/find_all", {}).status_code == 404


def check_whip(server: ServerProcess) -> None:
    peer, headers = MediaPeer(), {"Content-Type": "application/sdp", "Authorization": "Bearer token"}
    offer = peer.publish_offer()
    peer.udp.close()
    for number in range(NODES):
        begun = plain_http.post(server.http_url(f"/whip/whip-{number}"), content=offer, headers=headers)
        assert begun.status_code == 201, begun.text
        where = server.http_url(begun.headers["Location"])
        assert plain_http.delete(where).status_code == 401
        assert plain_http.delete(where, headers={"Authorization": "Bearer other"}).status_code == 409
        assert plain_http.delete(where, headers={"Authorization": "Bearer token"}).status_code == 200
        assert plain_http.delete(where, headers={"Authorization": "Bearer token"}).status_code == 404


async def test_a_killed_node_ends_its_own_sessions_and_comes_back(server: ServerProcess) -> None:
    await trio.to_thread.run_sync(wait_until_each_knows_all, server)
    async with clients(server, SESSIONS) as sessions:
        found = await trio.to_thread.run_sync(server.connections)
        on_nodes = Counter(each["nodeId"].partition("@")[0] for each in found)
        assert on_nodes.total() == SESSIONS
        assert len(on_nodes) >= NODES - 1, "the system chooses by chance"
        await trio.to_thread.run_sync(check_that_each_node_tells_of_all, server)
        published = await sessions[0].publish("news")
        answer = await trio.to_thread.run_sync(server.terminate, {"name": "news"})
        assert (answer.status_code, answer.headers["X-Cluster-Nodes"]) == (200, f"{NODES}/{NODES}")
        await published.status("FAILED")

        victim = 0
        before = pid_of(server, victim)
        os.kill(before, signal.SIGKILL)
        lost = on_nodes[node_ids(server)[victim]]
        await trio.to_thread.run_sync(
            lambda: server.wait_until(
                lambda: sum(session.closed.is_set() for session in sessions) == lost, what="the end of its sessions"
            )
        )
        await trio.to_thread.run_sync(
            lambda: server.wait_until(
                lambda: server.log().count(f"a node serves node={victim}") == 2, what="its return", timeout=60
            )
        )
        assert pid_of(server, victim) != before
        for session in [each for each in sessions if not each.closed.is_set()][:3]:
            await session.publish(f"after {sessions.index(session)}")
        assert sum(session.closed.is_set() for session in sessions) == lost


def test_commands_go_to_the_node_that_is_named_or_to_all(server: ServerProcess) -> None:
    server.wait_until(partial(_all_serve, server), what="what each node tells of itself")
    assert json.loads(server.operate("--json", "show", "nodes"))["rows"][0]["node"].startswith(node_ids(server)[0])
    second = json.loads(server.operate("--node=2", "--json", "show", "nodes"))
    assert second["rows"][0]["node"].startswith(node_ids(server)[2])
    assert server.operate("reload") == "nothing differs\n"
    server.wait_until(lambda: server.log().count("settings reloaded") == NODES, what="all have reloaded")
    assert server.post("/admin/reload", {}).is_success
    server.wait_until(lambda: server.log().count("settings reloaded") == 2 * NODES + 1, what="and by REST")
    refused = subprocess.run(
        [sys.executable, "-Pm", "actors.operator.wcs.client", f"--state={server.state}", "--node=9", "show", "apps"],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert (refused.returncode, refused.stderr) == (2, "wcs: there is no node 9: they are numbered from 0 to 3\n")


def _all_serve(server: ServerProcess) -> bool:
    shown = server.operate("show", "nodes")
    return all(f"--node {node}: serving" in shown for node in range(NODES))


def test_a_drained_node_is_started_again_when_it_is_wanted(server: ServerProcess) -> None:
    before = server.log().count("a node serves node=1")
    assert "draining" in server.operate("drain", "--node", "1")
    server.wait_until(lambda: "a node has drained, and is not started again node=1" in server.log(), what="its end")
    server.wait_until(lambda: "--node 1: drained" in server.operate("show", "nodes"), what="its place is free")
    assert "node 1 is started again" in server.operate("undrain", "--node", node_ids(server)[1][:8])
    server.wait_until(lambda: server.log().count("a node serves node=1") > before, what="its return", timeout=60)


def test_a_service_manager_sees_one_service_which_ends_when_all_nodes_have_drained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        notify_socket(tmp_path, monkeypatch, watchdog=0.9) as manager,
        running_server(tmp_path, LOOPBACK, options=["--nodes=1"]) as server,
    ):
        manager.until("READY=1")
        manager.until("WATCHDOG=1")
        manager.until("STATUS=1 of 1 nodes: 0 serving: 0 publications, 0 viewers")
        manager.forget()
        server.send_signal(signal.SIGHUP)
        manager.until("RELOADING=1")
        manager.until("READY=1")
        server.wait_until(lambda: "settings reloaded" in server.log(), what="the nodes have reloaded")
        server.operate("drain")
        assert server.wait() == 0


def test_a_killed_parent_leaves_nothing_behind(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, LOOPBACK, options=["--nodes=1"])
    node = pid_of(server, 0)
    threads = Path(f"/proc/{server.pid}/task").glob("*/children")
    children = [pid for thread in threads for pid in thread.read_text().split()]
    assert len(children) == 2, "Redis and the node"
    handles = [os.pidfd_open(int(pid)) for pid in children]
    server.kill()
    for handle in handles:
        signalled = trio.run(_ends, handle)
        os.close(handle)
        assert signalled
    assert not lives(node)
    assert "the process that started this node is gone" in server.log()


async def _ends(handle: int) -> bool:
    with trio.move_on_after(30):
        await trio.lowlevel.wait_readable(handle)
        return True
    return False


def why_it_does_not_start(state: Path, **environment: str) -> list[str]:
    settings = [f"--set={key}={value}" for key, value in {**FREE_PORTS, **LOOPBACK}.items()]
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "actors.daemon", f"--state={state}", "--nodes=2", *settings],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 2
    return ended.stderr.splitlines()


def test_without_redis_one_line_says_what_to_install(tmp_path: Path) -> None:
    (line,) = why_it_does_not_start(tmp_path, PATH=str(tmp_path))
    assert "install redis-server or valkey-server" in line


def test_a_redis_that_does_not_start_is_named_in_one_line(tmp_path: Path) -> None:
    program = tmp_path / "redis-server"
    program.write_text("#!/bin/sh\necho no memory\nexit 1\n")
    program.chmod(0o700)
    (line,) = why_it_does_not_start(tmp_path, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert f"{program} does not start: see {tmp_path / 'redis.log'}" in line
    told = tmp_path / "redis.log"
    assert (told.read_text(), told.stat().st_mode & 0o777) == ("no memory\n", 0o600)


def test_a_node_that_cannot_be_started_crashes_nothing(tmp_path: Path) -> None:
    (tmp_path / "node-0" / "notes").mkdir(parents=True)
    lines = why_it_does_not_start(tmp_path)
    assert any("a node cannot be started node=0" in line for line in lines)
    assert "cannot start cause=" in lines[-1]
    assert "Traceback" not in "".join(lines)
