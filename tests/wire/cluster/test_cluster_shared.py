"""Two servers and a real Redis: what an operator changes on one works on both, whatever becomes of Redis."""

from pathlib import Path

import trio

from protocol.operator.messages import Done
from tests.support.cluster.cluster_pair import SharedNode, node_of, shared_pair, until

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
