"""Two nodes, and what breaks between them: each has a way of its own to Redis, and there is one for media.

Times of leases are a quarter of the real ones; see `tests.support.cluster_times`.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from protocol.cluster.redis_url import parse_redis_url
from tests.support import cluster_times
from tests.support.full_server import FullServer
from tests.support.redis_proxy import RedisProxy, redis_proxy
from tests.support.redis_server import POLL, RedisServer, redis_server
from tests.support.wcs_client import PATIENCE, ClientStream, WcsClient, wcs_client
from tests.wire.cluster.test_cluster import cluster_of, node, refused, until_seen

quick_leases = cluster_times.quick_leases
pytestmark = pytest.mark.usefixtures("quick_leases")
PATIENT = {"cluster_timeout": PATIENCE, "cluster_answer_timeout": PATIENCE}
"""Where nothing is to be given up."""


class Parted:
    """Two nodes, a client of each, and the way of the second one to Redis."""

    def __init__(
        self, redis: RedisServer, way: RedisProxy, a: FullServer, b: FullServer, one: WcsClient, two: WcsClient
    ) -> None:
        self.redis, self.way, self.a, self.b, self.one, self.two = redis, way, a, b, one, two

    @property
    def is_whole(self) -> bool:
        """Whether both nodes see each other."""
        views = [cluster_of(server).membership for server in (self.a, self.b)]
        return all(each.is_up and each.view is not None and len(each.view.members) == 2 for each in views)


@asynccontextmanager
async def parted(folder: Path, **settings: Any) -> AsyncIterator[Parted]:
    times = {"cluster_timeout": 1.0, "cluster_answer_timeout": 1.0, **settings}
    async with redis_server(folder) as redis, redis_proxy(redis) as way:
        async with (
            node(folder, "a", redis, **times) as a,
            node(folder, "b", redis, **{**times, "cluster_redis_url": parse_redis_url(way.url)}) as b,
            wcs_client(a.ws_url()) as one,
            wcs_client(b.ws_url()) as two,
        ):
            for server in (a, b):
                await until_seen(server, 2)
            yield Parted(redis, way, a, b, one, two)


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110 - it tells no one
            await trio.sleep(POLL)


async def flows(stream: ClientStream, player: ClientStream, what: bytes) -> None:
    """Media of a live stream comes to its player."""
    with trio.fail_after(PATIENCE):
        while not any(what in packet.payload for packet in player.peer.received):
            stream.send_key_frame(what)
            await trio.sleep(POLL * 5)


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
        await flows(kept, player, b"during")
        assert await refused(pair.two, "playStream", "elsewhere") == "Failed to connect to origin stream"
        await until(lambda: len(cluster_of(pair.a).members()) == 1)
        gone = await pair.a.terminate(name="ended")
        assert gone.status_code == 404, "no lease runs: nobody is silent"
        mine = await pair.one.publish("taken")
        assert taken.statuses == [("PUBLISHING", None)]
        pair.way.mend()
        assert (await taken.status("FAILED"))["info"] == "Stream name is already in use"
        assert (await ended.status("FAILED"))["info"] == "Stopped by rest /terminate"
        await until(lambda: pair.is_whole)
        await flows(kept, player, b"after")
        assert (mine.statuses, kept.statuses) == ([("PUBLISHING", None)], [("PUBLISHING", None)])
        assert await refused(pair.one, "publishStream", "kept") == "Stream name is already in use"


async def test_names_are_there_again_after_a_wipe(tmp_path: Path) -> None:
    async with parted(tmp_path, **PATIENT) as pair:
        await pair.one.publish("mine")
        await pair.redis.command("FLUSHALL")
        assert await pair.redis.command("EXISTS", "wcs:names") == b":0\r\n"

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
        await flows(news, player, b"far")
        await flows(news, viewer, b"here")
        assert (await pair.a.terminate(name="news", published=True)).status_code == 200
        assert (await player.status("FAILED"))["info"] == "Stopped by publisher stop"
