"""Two nodes, and what breaks between them: each has a way of its own to Redis, and there is one for media.

Times of leases are a quarter of the real ones; see `tests.support.cluster.cluster_times`.
"""

from functools import partial
from pathlib import Path

import pytest
import trio

from protocol.cluster.redis_url import parse_redis_url
from tests.support.cluster import cluster_times
from tests.support.cluster.cluster_pair import until
from tests.support.cluster.parted_nodes import Parted, parted
from tests.support.cluster.two_nodes import cluster_of, node, refused, until_news, until_seen
from tests.support.redis.redis_server import POLL, RedisServer, redis_server
from tests.support.session.wcs_client import PATIENCE, wcs_client

quick_leases = cluster_times.quick_leases
pytestmark = pytest.mark.usefixtures("quick_leases")
PATIENT = {"cluster_timeout": PATIENCE, "cluster_answer_timeout": PATIENCE}
"""Where nothing is to be given up."""


async def test_a_node_that_is_parted_from_redis_serves_on_and_yields_what_others_took(tmp_path: Path) -> None:
    """Silently: no connection is closed. It is told later what it could not hear."""
    async with parted(tmp_path) as pair:
        taken, kept, ended = [await pair.two.publish(name) for name in ("taken", "kept", "ended")]
        player = await pair.two.play("kept")
        pair.way.cut()
        answer = await pair.a.terminate(name="ended")
        assert (answer.status_code, answer.json()["missing"]) == (503, [pair.b.server.parts.node_id])
        assert [each["matched"] for each in answer.json()["nodes"]] == [0]
        await until(lambda: not cluster_of(pair.b).membership.is_up)
        ready = await pair.b.rest.get("/readyz")
        assert (ready.status_code, ready.json()["degraded"]) == (200, ["Redis does not answer"])
        assert (await pair.b.rest.get("/healthz")).json() == {"alive": True}
        await until_news(kept, player, b"during")
        assert await refused(pair.two, "playStream", "elsewhere") == "Failed to connect to origin stream"
        await until(lambda: len(cluster_of(pair.a).members()) == 1)
        gone = await pair.a.terminate(name="ended")
        assert gone.status_code == 404, "no lease runs: nobody is silent"
        mine = await pair.one.publish("taken")
        assert taken.statuses == [("PUBLISHING", None)]
        pair.way.mend()
        assert (await taken.status("FAILED"))["info"] == "Stream name is already in use"
        assert (await ended.status("FAILED"))["info"] == "Stopped by rest /terminate"
        await until(lambda: pair.is_whole and not cluster_of(pair.b).names.table.unconfirmed)
        await until_seen(pair.a, 2)
        await until_news(kept, player, b"after")
        assert (mine.statuses, kept.statuses) == ([("PUBLISHING", None)], [("PUBLISHING", None)])
        assert await refused(pair.one, "publishStream", "kept") == "Stream name is already in use"


async def test_a_subscription_that_is_lost_is_begun_again(tmp_path: Path) -> None:
    async with parted(tmp_path) as pair:
        for number in (1, 2, 3):
            await pair.redis.command("CLIENT", "KILL", "TYPE", "pubsub")
            await until(partial(_have_missed, pair, number))
            await until_seen(pair.a, 2)
            await until_seen(pair.b, 2)


def _have_missed(pair: Parted, gaps: int) -> bool:
    return all(cluster_of(each).hearing.gaps >= gaps for each in (pair.a, pair.b))


async def test_a_node_starts_without_redis_and_joins_when_it_is_there(tmp_path: Path) -> None:
    redis = RedisServer(tmp_path)
    async with node(tmp_path, "a", redis, cluster_timeout=1.0) as a, wcs_client(a.ws_url()) as page:
        early = await page.publish("early")
        ready = await a.rest.get("/readyz")
        assert (ready.status_code, ready.json()["degraded"]) == (200, ["Redis does not answer"])
        try:
            await redis.start()
            await until(lambda: cluster_of(a).membership.is_up and not cluster_of(a).names.table.unconfirmed)
            assert await redis.command("HEXISTS", "wcs:names", "early") == b":1\r\n"
            await until_seen(a, 1)
        finally:
            redis.kill()
        assert early.statuses == [("PUBLISHING", None)]


@pytest.mark.parametrize("wipe", [("FLUSHALL",), ("DEL", "wcs:names")], ids=" ".join)
async def test_names_are_there_again_after_a_wipe(tmp_path: Path, wipe: tuple[str, ...]) -> None:
    """Of everything, or of one key, as Redis evicts it that is told to."""
    async with parted(tmp_path, **PATIENT) as pair:
        await pair.one.publish("mine")
        assert await pair.redis.command(*wipe) in (b"+OK\r\n", b":1\r\n")

        async def is_there() -> bool:
            return (await pair.redis.command("HEXISTS", "wcs:names", "mine")) == b":1\r\n"

        with trio.fail_after(PATIENCE):
            while not await is_there():  # noqa: ASYNC110 - Redis tells no one
                await trio.sleep(POLL)
        assert await refused(pair.two, "publishStream", "mine") == "Stream name is already in use"


async def test_an_origin_far_from_redis_answers_late_and_its_own_pages_notice_nothing(tmp_path: Path) -> None:
    async with parted(tmp_path, **PATIENT) as pair:
        news = await pair.two.publish("news")
        viewer = await pair.two.play("news")
        pair.way.delay = 0.05
        player = await pair.one.play("news")
        await until_news(news, player, b"far")
        await until_news(news, viewer, b"here")
        assert (await pair.a.terminate(name="news", published=True)).status_code == 200
        assert (await player.status("FAILED"))["info"] == "Stopped by publisher stop"


async def test_a_node_that_redis_does_not_let_hear_the_others_says_so(tmp_path: Path) -> None:
    """As a user of Redis made without channels, which is how `ACL SETUSER` makes them."""
    async with redis_server(tmp_path) as redis:
        await redis.command("ACL", "SETUSER", "wcsd", "on", ">secret", "~wcs:*", "+@all")
        url = redis.url.replace("unix://", "unix://wcsd:secret@")
        async with node(tmp_path, "a", redis, cluster_redis_url=parse_redis_url(url), cluster_timeout=1.0) as a:
            with trio.fail_after(PATIENCE):
                while "degraded" not in (ready := (await a.rest.get("/readyz")).json()):  # noqa: ASYNC110 - it tells no one
                    await trio.sleep(POLL)
            assert ready["degraded"] == ["Redis does not let this node hear the others"]
            assert "permission" in str(cluster_of(a).hearing._error)
            await redis.command("ACL", "SETUSER", "wcsd", "&wcs:*")
            await until(lambda: not cluster_of(a).hearing.is_deaf)
            assert (await a.rest.get("/readyz")).json() == {"ready": True, "missing": []}
            await until_seen(a, 1)
