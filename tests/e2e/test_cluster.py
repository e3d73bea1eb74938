"""Three nodes of a cluster, as pages with the unmodified SDK see them: it is one server."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import pytest
import trio
from httpx import HTTPStatusError, codes

from tests.support.redis_server import RedisServer
from tests.support.sdk_page import OpenPage, SdkPage, all_see
from tests.support.server_process import ServerProcess, running_server

OpenOn = Callable[[ServerProcess], SdkPage]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    redis = RedisServer(tmp_path_factory.mktemp("redis"))
    trio.run(redis.start)
    yield redis
    redis.kill()


@pytest.fixture(scope="module")
def nodes(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ServerProcess]]:
    settings = {"cluster.redis_url": redis.url}
    with ExitStack() as stack:
        yield [stack.enter_context(running_server(tmp_path_factory.mktemp("node"), settings)) for _ in range(3)]


@pytest.fixture
def page_on(open_page: OpenPage) -> OpenOn:
    """Opens pages that have a session with a node."""

    def open_one(node: ServerProcess) -> SdkPage:
        page = open_page()
        page.connect(node.ws_url())
        return page

    return open_one


def test_a_stream_plays_on_every_node_and_any_node_ends_it(page_on: OpenOn, nodes: list[ServerProcess]) -> None:
    a, b, c = nodes
    publication = page_on(a).published("news")
    players = [page_on(b).play("news"), page_on(c).play("news"), page_on(c).play("news")]
    all_see(*players)
    other = page_on(c)
    assert other.available("news")["available"]
    again = other.publish("news")
    again.wait_for("FAILED", "Stream name is already in use")

    answer = c.terminate({"name": "news", "published": True})

    assert (answer.status_code, answer.headers["X-Terminated-Count"]) == (codes.OK, "1")
    publication.wait_for("FAILED", "Stopped by rest /terminate")
    for player in players:
        player.wait_for("FAILED", "Stopped by publisher stop")
    other.published("news")


def test_streams_go_on_while_redis_is_away_and_names_hold_when_it_is_back(
    page_on: OpenOn, nodes: list[ServerProcess], redis: RedisServer
) -> None:
    a, b, c = nodes
    page, viewer = page_on(a), page_on(b)
    publication, player = page.published("sport"), viewer.played("sport")

    redis.kill()

    meanwhile = page.published("meanwhile")
    player.wait_for_growth(framesDecoded=10)
    viewer.played("sport")  # this node has it
    assert a.terminate({"name": "sport", "published": True}).status_code == codes.OK
    publication.wait_for("FAILED", "Stopped by rest /terminate")
    player.wait_for_end()
    assert player.history[-1].status == "FAILED", player.history
    trio.run(redis.start)
    for node in (b, c):
        node.wait_until(partial(_knows, node, "meanwhile"), what="its node is asked again")
    page_on(c).played("meanwhile")
    meanwhile.stop()


def test_what_a_killed_node_published_fails_elsewhere_and_its_names_are_free(
    page_on: OpenOn, nodes: list[ServerProcess], redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    _, b, c = nodes
    settings = {"cluster.redis_url": redis.url}
    mortal = ServerProcess(tmp_path_factory.mktemp("mortal"), settings)
    page = page_on(mortal)
    page.published("film")
    player = page_on(b).played("film")

    mortal.kill()

    page.wait_for_session("DISCONNECTED")
    player.wait_for_end()
    assert player.history[-1].status == "FAILED", player.history
    heir = page_on(c)
    c.wait_until(lambda: _publishes(heir, "film"), what="the lease of a dead node is over", timeout=60)


def _knows(node: ServerProcess, name: str) -> bool:
    try:
        return len(node.streams(name=name)) == 1
    except HTTPStatusError:  # 503 while not all nodes hear each other again
        return False


def _publishes(page: SdkPage, name: str) -> bool:
    stream = page.publish(name)
    page.wait("(id) => harness.reached(id, 'PUBLISHING')", stream.id)
    return stream.history[-1].status == "PUBLISHING"
