"""Another Redis takes the place of the first: a Sentinel has chosen it."""

from pathlib import Path

import pytest
import trio
import trustme

from actors.cluster.registry.registry import RegistryUnavailable
from tests.support.cluster.cluster_times import IS_REAL
from tests.support.cluster.two_nodes import cluster_of, node, refused, until_seen
from tests.support.network.ports import unused_port
from tests.support.redis.link_echo import echo, link_to
from tests.support.redis.redis_proxy import redis_proxy
from tests.support.redis.redis_sentinel import named_by, watched_redis
from tests.support.redis.redis_server import POLL, redis_server
from tests.support.redis.redis_tls import AUTHORITIES
from tests.support.session.wcs_client import PATIENCE, wcs_client

AUTHORITIES_OF = {"tls": trustme.CA(), **({"plain": None} if IS_REAL else {})}
"""One way is enough where nobody has time; without TLS, Sentinels are asked below."""


@pytest.mark.parametrize("authority", AUTHORITIES_OF.values(), ids=AUTHORITIES_OF)
async def test_nodes_go_on_with_the_replica_when_the_primary_is_killed(
    tmp_path: Path, authority: trustme.CA | None
) -> None:
    times = {"cluster_timeout": 1.0, "cluster_answer_timeout": 1.0}
    settings = times if authority is None else {**times, "cluster_redis_ca_file": tmp_path / AUTHORITIES}
    with trio.fail_after(3 * PATIENCE):
        async with (
            watched_redis(tmp_path, authority) as redis,
            node(tmp_path, "a", redis, **settings) as a,
            node(tmp_path, "b", redis, **settings) as b,
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


async def test_sentinels_that_are_gone_or_behind_keep_nobody_from_redis(tmp_path: Path) -> None:
    """One says nothing, one names a Redis that is gone, and one is gone itself."""
    async with redis_server(tmp_path) as redis, redis_proxy(redis) as way, trio.open_nursery() as nursery:
        (silent,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with silent:
            behind, right = await named_by(nursery, unused_port()), await named_by(nursery, way.port)
            ports = silent.socket.getsockname()[1], unused_port(), behind, right
            hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
            async with link_to(f"redis+sentinel://{hosts}/wcs") as link:
                assert await echo(link, "there") == "there"
                assert (link.clients, link.failures) == (1, 0)
        nursery.cancel_scope.cancel()


async def test_it_is_told_why_no_sentinel_helps(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis, redis_proxy(redis) as way, trio.open_nursery() as nursery:
        await redis.command("REPLICAOF", "127.0.0.1", "1")
        behind, gone = await named_by(nursery, way.port), unused_port()
        async with link_to(f"redis+sentinel://127.0.0.1:{behind},127.0.0.1:{gone}/wcs") as link:
            with pytest.raises(RegistryUnavailable) as told:
                await echo(link)
            assert f"Sentinel 127.0.0.1:{behind}: it names redis://127.0.0.1:{way.port}, which is a slave" in str(
                told.value
            )
            assert f"Sentinel 127.0.0.1:{gone}: ConnectionError" in str(told.value)
            await redis.command("REPLICAOF", "NO", "ONE")
            assert await echo(link, "now") == "now"
        nursery.cancel_scope.cancel()
