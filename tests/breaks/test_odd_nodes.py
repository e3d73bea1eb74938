"""A node of another version, and one whose clock jumps."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from protocol.cluster.members import LEASE
from tests.support.cluster.two_nodes import refused, until_news
from tests.support.redis.redis_server import redis_server
from tests.support.servers.server_process import ServerProcess, running_server
from tests.support.session.wcs_client import wcs_client

ODD = "tests.support.cluster.odd_server"
SETTINGS = {"ip": "127.0.0.1", "cluster.answer_timeout": 5000, "cluster.timeout": 5000}
HOUR = 3600


@asynccontextmanager
async def one_and_an_odd_one(folder: Path) -> AsyncIterator[tuple[ServerProcess, ServerProcess]]:
    with ExitStack() as servers:
        async with redis_server(folder) as redis:
            a = servers.enter_context(_node(folder / "a", redis.url, "actors.daemon"))
            b = servers.enter_context(_node(folder / "b", redis.url, ODD))
            yield a, b
            await trio.to_thread.run_sync(servers.close)


def _node(folder: Path, redis: str, module: str) -> AbstractContextManager[ServerProcess]:
    folder.mkdir()
    return running_server(folder, {**SETTINGS, "cluster.redis_url": redis}, module=module)


async def until_logged(server: ServerProcess, text: str) -> None:
    await trio.to_thread.run_sync(partial(server.wait_until, lambda: text in server.log(), what=text))


async def test_a_node_of_another_version_is_named_and_harms_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WCSD_ODD_PROTOCOL", "2")
    async with one_and_an_odd_one(tmp_path) as (a, b):
        for server, version in ((a, 2), (b, 1)):
            await until_logged(server, "a node of another version cannot be asked node=")
            await until_logged(server, f"protocol={version}")
        async with wcs_client(a.ws_url()) as one, wcs_client(b.ws_url()) as two:
            mine, yours = await one.publish("mine"), await two.publish("yours")
            assert await refused(one, "publishStream", "yours") == "Stream name is already in use"
            assert await refused(two, "publishStream", "mine") == "Stream name is already in use"
            assert await refused(one, "playStream", "yours") == "Failed to connect to origin stream"
            for server in (a, b):
                silent = server.terminate({"name": "other"})
                assert (silent.status_code, len(silent.json()["missing"])) == (503, 1)
            assert a.terminate({"name": "mine", "published": True}).status_code == 200
            assert (await mine.status("FAILED"))["info"] == "Stopped by rest /terminate"
            assert yours.statuses == [("PUBLISHING", None)]


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
async def test_nothing_becomes_of_a_jump_of_the_clock_of_a_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    clock = tmp_path / "clock"
    await trio.Path(clock).write_text("0")
    monkeypatch.setenv("WCSD_ODD_CLOCK", str(clock))
    async with one_and_an_odd_one(tmp_path) as (a, b):
        async with wcs_client(a.ws_url()) as one, wcs_client(b.ws_url()) as two:
            theirs, mine = await two.publish("theirs"), await one.publish("mine")
            there, here = await one.play("theirs"), await two.play("mine")
            await trio.Path(clock).write_text(str(seconds))
            await trio.sleep(LEASE + 1)
            assert await refused(one, "publishStream", "theirs") == "Stream name is already in use"
            assert await refused(two, "publishStream", "mine") == "Stream name is already in use"
            await until_news(theirs, there, b"after")
            await until_news(mine, here, b"after")
            later = await two.publish("later")
            answer = a.terminate({"name": "later"})
            assert (answer.status_code, answer.headers["X-Cluster-Nodes"]) == (200, "2/2")
            assert (await later.status("FAILED"))["info"] == "Stopped by rest /terminate"
            assert [each.statuses for each in (theirs, mine)] == [[("PUBLISHING", None)]] * 2
