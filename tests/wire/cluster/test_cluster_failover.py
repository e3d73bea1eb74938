"""Another Redis takes the place of the first: a Sentinel has chosen it."""

from pathlib import Path

import trio

from tests.support.redis_sentinel import watched_redis
from tests.support.redis_server import POLL
from tests.support.two_nodes import cluster_of, node, refused, until_seen
from tests.support.wcs_client import PATIENCE, wcs_client


async def test_nodes_go_on_with_the_replica_when_the_primary_is_killed(tmp_path: Path) -> None:
    with trio.fail_after(3 * PATIENCE):
        async with (
            watched_redis(tmp_path) as redis,
            node(tmp_path, "a", redis, cluster_timeout=1.0, cluster_answer_timeout=1.0) as a,
            node(tmp_path, "b", redis, cluster_timeout=1.0, cluster_answer_timeout=1.0) as b,
            wcs_client(a.ws_url()) as one,
            wcs_client(b.ws_url()) as two,
        ):
            await until_seen(a, 2)
            news = await one.publish("news")
            redis.kill(redis.primary)
            meanwhile = await two.publish("meanwhile")
            while await redis.primary_now() != redis.replica:  # noqa: ASYNC110 - it tells no one
                await trio.sleep(POLL)
            for server in (a, b):
                await until_seen(server, 2)
                while cluster_of(server).names.table.unconfirmed:  # noqa: ASYNC110 - it tells no one
                    await trio.sleep(POLL)
            assert await refused(two, "publishStream", "news") == "Stream name is already in use"
            assert await refused(one, "publishStream", "meanwhile") == "Stream name is already in use"
            assert (news.statuses, meanwhile.statuses) == ([("PUBLISHING", None)], [("PUBLISHING", None)])
