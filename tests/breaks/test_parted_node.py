"""A node that neither Redis nor the other node can reach, silently; one that is far from both; a Redis that hangs."""

import signal
from pathlib import Path

import trio

from protocol.cluster.members import LEASE
from tests.support.cluster.cluster_pair import until
from tests.support.cluster.parted_nodes import parted
from tests.support.cluster.two_nodes import cluster_of, refused, until_news, until_seen
from tests.support.network.nat import Nat
from tests.support.session.wcs_client import PATIENCE

FAR = 0.15
"""Seconds each way."""


async def test_a_node_that_is_parted_from_redis_and_from_the_other_node_serves_its_own_pages(tmp_path: Path) -> None:
    async with parted(tmp_path, cluster_relay_address="127.0.0.2") as pair:
        ((host, port),) = pair.b.server.parts.plane.addresses
        media = Nat(("127.0.0.2", port), server=(host, port), outside=host)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(media.run)
            news = await pair.two.publish("news")
            here, there = await pair.two.play("news"), await pair.one.play("news")
            await until_news(news, there, b"before")
            pair.way.cut()
            media.cut = True
            assert (await there.status("FAILED"))["info"] == "Failed to connect to origin stream"
            await until_news(news, here, b"during")
            pair.way.mend()
            media.cut = False
            await until(lambda: pair.is_whole)
            await until_news(news, await pair.one.play("news"), b"after")
            assert news.statuses == [("PUBLISHING", None)]
            nursery.cancel_scope.cancel()


async def test_an_origin_that_is_far_from_everything_plays_everywhere(tmp_path: Path) -> None:
    patient = {"cluster_timeout": PATIENCE, "cluster_answer_timeout": PATIENCE}
    async with parted(tmp_path, cluster_relay_address="127.0.0.2", **patient) as pair:
        ((host, port),) = pair.b.server.parts.plane.addresses
        media = Nat(("127.0.0.2", port), server=(host, port), outside=host, delay=FAR)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(media.run)
            pair.way.delay = FAR
            news = await pair.two.publish("news")
            player = await pair.one.play("news")
            await until_news(news, player, b"far")
            assert (await pair.b.terminate(name="news", published=True)).status_code == 200
            assert (await player.status("FAILED"))["info"] == "Stopped by publisher stop"
            nursery.cancel_scope.cancel()


async def test_a_redis_that_hangs_for_longer_than_leases_ends_no_stream(tmp_path: Path) -> None:
    """It has the same data when it goes on, but no lease runs any more."""
    async with parted(tmp_path) as pair:
        mine, yours = await pair.one.publish("mine"), await pair.two.publish("yours")
        pair.redis.signal(signal.SIGSTOP)
        await until(lambda: not any(cluster_of(each).membership.is_up for each in (pair.a, pair.b)))
        assert await refused(pair.one, "playStream", "yours") == "Failed to connect to origin stream"
        await trio.sleep(LEASE)
        pair.redis.resume()
        await until(lambda: pair.is_whole)
        for server in (pair.a, pair.b):
            await until_seen(server, 2)
        assert await refused(pair.one, "publishStream", "yours") == "Stream name is already in use"
        assert await refused(pair.two, "publishStream", "mine") == "Stream name is already in use"
        assert (mine.statuses, yours.statuses) == ([("PUBLISHING", None)], [("PUBLISHING", None)])
