"""Nodes of one machine that hang or die again and again: those that can go on do. The nodes here are shell scripts."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from actors.host_nodes import parent
from actors.host_nodes.node_process import NodePlan, NodeProcess
from actors.host_nodes.parent import Nodes, NodesFailed
from actors.runtime.service_manager import ServiceManager
from actors.settings.settings_source import SettingsSource
from actors.storage.failing_nodes import FailingNodes
from actors.storage.state_folder import StateFolder
from tests.support.nurseries import plain_nursery
from tests.support.servers.server_process import FREE_PORTS, POLL

PATIENCE = 30
NODE = """#!/bin/sh
broken="${0%/*}/broken"
echo "wcsd ready media=127.0.0.1:1"
case "$*" in *--node=0*) [ -e "$broken" ] && exit 3;; esac
[ -e "$broken-all" ] && exit 4
exec sleep 1000
"""


async def until(nodes: Nodes, status: str) -> None:
    with trio.fail_after(PATIENCE):
        while nodes.status() != status:  # noqa: ASYNC110 - it tells no one
            await trio.sleep(POLL)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is run in the place of a server."""
    path = tmp_path / "node"
    path.write_text(NODE)
    path.chmod(0o700)
    monkeypatch.setattr("actors.host_nodes.node_process.sys.executable", str(path))
    monkeypatch.setattr("protocol.node.restarts.FIRST_DELAY", 0.001)
    monkeypatch.setattr(parent, "LONGEST_DELAY", 0.2)
    monkeypatch.setattr(parent, "HEALTHY_AFTER", 0.5)
    return path


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Nodes]:
    """Two nodes, which all serve; they must end in order, but for those that have failed."""
    overrides = [f"{key}={value}" for key, value in FREE_PORTS.items()]
    source = SettingsSource(file=None, overrides=(*overrides, "cluster.redis_url=unix:///nowhere"), state=folder)
    with StateFolder(folder / "state") as state:
        nodes = Nodes(source, source.load().settings, state, 2)
        said = trio.Event()

        async def say(line: str) -> None:
            said.set()

        async with plain_nursery() as nursery:
            nursery.start_soon(nodes.run, ServiceManager({}), say)
            await said.wait()
            yield nodes
            nodes.signal(signal.SIGTERM)


def kill(nodes: Nodes, number: int) -> None:
    node = nodes.places[number].node
    assert node is not None
    node.signal(signal.SIGKILL)


async def test_the_others_go_on_when_a_node_ends_again_and_again(
    tmp_path: Path, program: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as nodes:
        failing = FailingNodes(tmp_path / "state")
        other = nodes.places[1].node
        (tmp_path / "broken").touch()
        kill(nodes, 0)
        await until(nodes, "1 of 2 nodes: 0 down: it ends again and again; 1 starting")
        assert failing.known() == (0,)
        assert "a node ends again and again: the others go on" in caplog.text
        (tmp_path / "broken").unlink()
        await until(nodes, "2 of 2 nodes: 0 starting; 1 starting")
        with trio.fail_after(PATIENCE):
            while failing.known():  # noqa: ASYNC110 - it is a file
                await trio.sleep(POLL)
        assert nodes.places[1].node is other, "it has never ended"


async def _break_all(folder: Path) -> None:
    async with running(folder) as nodes:
        (folder / "broken-all").touch()
        kill(nodes, 0)
        kill(nodes, 1)
        await trio.sleep(PATIENCE)


async def test_when_all_of_them_end_again_and_again_the_server_ends(tmp_path: Path, program: Path) -> None:
    with pytest.raises(NodesFailed):
        await _break_all(tmp_path)


async def test_a_node_that_hangs_while_it_starts_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hanging = tmp_path / "node"
    hanging.write_text("#!/bin/sh\nexec sleep 1000\n")
    hanging.chmod(0o700)
    monkeypatch.setattr("actors.host_nodes.node_process.sys.executable", str(hanging))
    monkeypatch.setattr("actors.host_nodes.node_process.START_TIMEOUT", 0.05)
    node = NodeProcess(NodePlan(index=0, folder=tmp_path, config=None, overrides=()), lambda words: None)
    with trio.fail_after(PATIENCE):
        assert await node.run() == -signal.SIGABRT
    assert "a node does not begin to serve, and is ended" in caplog.text
