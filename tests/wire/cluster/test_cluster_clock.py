"""The clock of Redis jumps: the same outcomes in memory, as tests use it, and in each Redis that is installed."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from actors.cluster.registry.redis_registry import RedisRegistry
from actors.cluster.registry.registry import Registry
from actors.runtime.actor import SHUTDOWN
from protocol.cluster.claims import Holder
from protocol.cluster.redis_url import parse_redis_url
from protocol.cluster.scripts import log_order
from tests.support.cluster.cluster_pair import until
from tests.support.cluster.cluster_times import IS_REAL
from tests.support.cluster.cluster_times import quick_leases as quick_leases
from tests.support.cluster.parted_nodes import parted
from tests.support.cluster.skewed_clock import SKEW, SkewedLink
from tests.support.cluster.two_nodes import cluster_of, refused, until_news, until_seen
from tests.support.redis.memory_redis import MemoryRedis
from tests.support.redis.redis_server import INSTALLED, redis_server
from tests.support.redis.registry_batches import INFO, ONE, OTHER, batch, done, joined
from tests.support.redis.registry_worlds import LONG, PATIENCE
from tests.support.servers.full_server import FullServer

HOUR = 3600
Jump = Callable[[int], Awaitable[object]]


@asynccontextmanager
async def in_memory() -> AsyncIterator[tuple[Registry, Jump]]:
    redis = MemoryRedis()

    async def jump(seconds: int) -> None:
        await trio.lowlevel.checkpoint()
        redis.skew_ms = seconds * 1000

    yield redis.connect("x", lease=LONG, sweep_after=LONG), jump


@asynccontextmanager
async def in_redis(folder: Path, program: str) -> AsyncIterator[tuple[Registry, Jump]]:
    async with redis_server(folder, program=program) as server, trio.open_nursery() as nursery:
        link = SkewedLink(parse_redis_url(server.url), timeout=PATIENCE)
        nursery.start_soon(link.run)
        yield (
            RedisRegistry(link, lease=LONG, sweep_after=LONG),
            lambda seconds: server.command("SET", SKEW, str(seconds)),
        )
        link.stop(SHUTDOWN)


@pytest.fixture(params=["memory", *INSTALLED])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Registry, Jump]]:
    async with in_memory() if request.param == "memory" else in_redis(tmp_path, request.param) as opened:
        yield opened


async def test_ahead_all_leases_are_over_and_begin_anew_with_the_next_beats(world: tuple[Registry, Jump]) -> None:
    registry, jump = world
    mine, yours = await joined(registry, "a"), await joined(registry, "b")
    await registry.write(mine, batch(1, ONE))
    await jump(HOUR)
    assert await registry.locate("news") is None
    back = await registry.beat(member=mine, place="here", info=INFO, boot="")
    assert (back.kept, [member.name for member in back.members]) == (False, [mine])
    assert await registry.locate("news") == Holder(mine, "id 1")
    late = await registry.beat(member=yours, place="here", info=INFO, boot="")
    assert (late.kept, {member.name for member in late.members}) == (False, {mine, yours})
    assert await registry.write(yours, batch(1, OTHER)) == done(Holder(mine, "id 1"))


async def test_back_no_lease_ends_and_nothing_that_grows_goes_back(world: tuple[Registry, Jump]) -> None:
    registry, jump = world
    mine = await joined(registry, "a")
    await registry.write(mine, batch(1, ONE))
    before = await registry.send("before", logged=True)
    await jump(-HOUR)
    beat = await registry.beat(member=mine, place="here", info=INFO, boot="")
    assert beat.kept
    after = await registry.send("after", logged=True)
    assert before.log_id is not None
    assert after.log_id is not None
    assert log_order(after.log_id) > log_order(before.log_id)
    assert [entry.text for entry in await registry.read_log(before.log_id)] == ["after"]
    again = await joined(registry, "a")
    assert int(again.split("/")[1]) > int(mine.split("/")[1])
    assert await registry.locate("news") is None, "the earlier start is over"


@pytest.mark.parametrize("seconds", [HOUR, -HOUR] if IS_REAL else [HOUR])
@pytest.mark.usefixtures("quick_leases")
async def test_streams_go_on_and_names_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    monkeypatch.setattr("actors.cluster.registry.link.ClusterLink", SkewedLink)
    async with parted(tmp_path, cluster_timeout=PATIENCE, cluster_answer_timeout=PATIENCE) as pair:
        news = await pair.one.publish("news")
        player = await pair.two.play("news")
        before = [_redis_ms(server) for server in (pair.a, pair.b)]
        await pair.redis.command("SET", SKEW, str(seconds))
        for server, was in zip((pair.a, pair.b), before, strict=True):
            await until(partial(_has_jumped, server, was))
        await until(lambda: pair.is_whole and not cluster_of(pair.a).names.table.unconfirmed)
        await until_seen(pair.a, 2)
        assert await refused(pair.two, "publishStream", "news") == "Stream name is already in use"
        await until_news(news, player, b"after")
        assert (news.statuses, player.statuses) == ([("PUBLISHING", None)], [("PLAYING", None)])
        assert (await pair.b.terminate(name="news", published=True)).status_code == 200


def _has_jumped(server: FullServer, was: int) -> bool:
    return abs(_redis_ms(server) - was) > HOUR * 500


def _redis_ms(server: FullServer) -> int:
    view = cluster_of(server).membership.view
    assert view is not None
    assert view.now_ms is not None
    return view.now_ms
