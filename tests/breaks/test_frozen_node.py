"""A node that stands still, as a machine does that is moved: for some seconds, or until it wakes up fenced."""

import signal
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import trio

from protocol.cluster.members import BEAT_INTERVAL, LEASE
from tests.support.cluster.two_nodes import refused, until_news
from tests.support.redis.redis_server import redis_server
from tests.support.servers.server_process import ServerProcess, running_server
from tests.support.session.wcs_client import WcsClient, wcs_client

FROZEN = 10.0
SHORTLY = 3.5
"""Media is missed after 3 s, and the node is asked again for 5. Its lease must outlive this, and a beat's interval."""
assert SHORTLY + BEAT_INTERVAL < LEASE
SETTINGS = {"ip": "127.0.0.1", "cluster.answer_timeout": 1000, "cluster.timeout": 5000}


async def test_a_node_that_stands_still_yields_what_others_took_and_keeps_the_rest(tmp_path: Path) -> None:
    with ExitStack() as servers:
        async with redis_server(tmp_path) as redis:
            a, b = [servers.enter_context(_node(tmp_path / name, redis.url)) for name in ("a", "b")]
            async with wcs_client(a.ws_url()) as one, wcs_client(b.ws_url()) as two:
                taken, kept = await one.publish("taken"), await one.publish("kept")
                assert await refused(two, "publishStream", "taken") == "Stream name is already in use"
                player = await two.play("kept")
                a.send_signal(signal.SIGSTOP)
                until = trio.current_time() + FROZEN
                await trio.sleep(LEASE + 1)
                mine = await _published(two, "taken")
                assert (await player.status("FAILED"))["info"] == "Failed to connect to origin stream"
                await trio.sleep_until(until)
                a.send_signal(signal.SIGCONT)
                assert (await taken.status("FAILED"))["info"] == "Stream name is already in use"
                assert (mine, kept.statuses) == ("PUBLISHING", [("PUBLISHING", None)])
                assert await refused(two, "publishStream", "kept") == "Stream name is already in use"
            await trio.to_thread.run_sync(servers.close)


async def test_players_elsewhere_wait_for_a_node_that_stands_still_for_a_moment(tmp_path: Path) -> None:
    with ExitStack() as servers:
        async with redis_server(tmp_path) as redis:
            a, b = [servers.enter_context(_node(tmp_path / name, redis.url)) for name in ("a", "b")]
            async with wcs_client(a.ws_url()) as one, wcs_client(b.ws_url()) as two:
                news = await one.publish("news")
                player = await two.play("news")
                await until_news(news, player, b"before")
                a.send_signal(signal.SIGSTOP)
                await trio.sleep(SHORTLY)
                a.send_signal(signal.SIGCONT)
                await until_news(news, player, b"after")
                assert (news.statuses, player.statuses) == ([("PUBLISHING", None)], [("PLAYING", None)])
            await trio.to_thread.run_sync(servers.close)


def _node(folder: Path, redis: str) -> AbstractContextManager[ServerProcess]:
    folder.mkdir()
    return running_server(folder, {**SETTINGS, "cluster.redis_url": redis})


async def _published(client: WcsClient, name: str) -> str:
    stream = await client.publish(name)
    return stream.statuses[-1][0]
