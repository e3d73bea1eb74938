"""Two servers and a real Redis: what an operator changes on one works on both, whatever becomes of Redis."""

from pathlib import Path

import pytest
import trio

from protocol.operator.messages import Done
from tests.support.cluster.cluster_pair import SharedNode, node_of, shared_pair, until
from tests.support.redis.redis_server import POLL, RedisServer
from tests.support.session.wcs_client import PATIENCE

URL = "http://localhost:8081/apps/EchoApp"


def app_names(node: SharedNode) -> set[str]:
    return {app.name for app in node.full.server.parts.opened.apps.all()} - {"defaultApp", "roomApp"}


async def done(node: SharedNode, text: str) -> Done:
    answer = await node.command(text)
    assert isinstance(answer, Done), answer
    return answer


async def test_applications_sources_and_accounts_are_one_table(tmp_path: Path) -> None:
    async with shared_pair(tmp_path) as (redis, a, b):
        one, two = (node.full.server.parts.opened for node in (a, b))
        await done(a, f"add app news news {URL}")
        await done(a, "add source lobby rtsp://camera.example/1")
        await done(b, "add user alice secret --role view")
        await until(lambda: app_names(b) == {"news"} and two.sources.table.by_name("lobby") is not None)
        await until(lambda: one.access.store.table.user("alice") is not None)
        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(done, a, f"add app a{number} a{number} {URL}")
                nursery.start_soon(done, b, f"add app b{number} b{number} {URL}")
        every = {"news", *(f"{node}{number}" for node in "ab" for number in range(4))}
        await until(lambda: app_names(a) == app_names(b) == every)
        redis.kill()
        await done(a, "remove app news")
        await done(b, f"add app late late {URL}")
        await redis.start()
        await until(lambda: app_names(a) == app_names(b) == {*every, "late"} - {"news"})
        async with node_of(redis, tmp_path, "c") as c:
            assert app_names(c) == app_names(a)
            look = "/rest-api/stream/find_all"
            assert (await c.full.rest.get(look)).status_code == 401, "who has to log in there, has to here"
            assert (await c.full.rest.get(look, auth=("alice", "secret"))).status_code == 404


@pytest.mark.parametrize("key", ["wcs:rows", "wcs:rows:order"])
async def test_a_node_that_comes_after_redis_has_lost_one_key_of_the_tables_lets_in_nobody_without_a_login(
    tmp_path: Path, key: str
) -> None:
    """As Redis evicts a key that is told to: first what is seldom used."""
    async with shared_pair(tmp_path) as (redis, a, b):
        await done(a, "add user alice secret --role view")
        accounts = b.full.server.parts.opened.access.store
        await until(lambda: accounts.table.user("alice") is not None)
        assert await tables_of(redis) == [True, True]
        assert await redis.command("DEL", key) == b":1\r\n"
        with trio.fail_after(PATIENCE):
            while await tables_of(redis) != [True, True]:  # noqa: ASYNC110 - Redis tells no one
                await trio.sleep(POLL)
        async with node_of(redis, tmp_path, "c") as c:
            look = "/rest-api/stream/find_all"
            assert (await c.full.rest.get(look)).status_code == 401
            assert (await c.full.rest.get(look, auth=("alice", "secret"))).status_code == 404


async def tables_of(redis: RedisServer) -> list[bool]:
    """Whether Redis has Alice, by either key."""
    found = [await redis.command(*words) for words in (("HKEYS", "wcs:rows"), ("ZRANGE", "wcs:rows:order", "0", "-1"))]
    return [b"alice" in each for each in found]
