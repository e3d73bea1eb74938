"""Three nodes of a cluster, as pages with the unmodified SDK see them: it is one server."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
import trio
from httpx import HTTPStatusError, codes
from playwright.sync_api import Page

from tests.e2e.conftest import pages_key
from tests.support.browsers.room_tab import RoomTab
from tests.support.browsers.sdk_page import OpenPage, SdkPage, all_see
from tests.support.browsers.tabs import Tabs
from tests.support.redis.redis_server import RedisServer
from tests.support.servers.server_process import ServerProcess, running_server

OpenOn = Callable[[ServerProcess], SdkPage]
PATIENT: dict[str, object] = {"cluster.answer_timeout": 20_000, "cluster.timeout": 20_000}
"""Nodes, Redis and browsers share a machine."""


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    redis = RedisServer(tmp_path_factory.mktemp("redis"))
    trio.run(redis.start)
    yield redis
    redis.kill()


@pytest.fixture(scope="module")
def nodes(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ServerProcess]]:
    settings = PATIENT | {"cluster.redis_url": redis.url}
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


@pytest.fixture
def room_on(tabs: Tabs, site: str, request: pytest.FixtureRequest) -> Iterator[Callable[[ServerProcess, str], RoomTab]]:
    """Opens pages that have joined the room `lobby` under a login, at a node."""
    taken: list[Page] = []
    pages = request.node.stash.setdefault(pages_key, [])

    def open_one(node: ServerProcess, login: str) -> RoomTab:
        errors: list[str] = []
        taken.append(tabs.take(errors.append))
        page = RoomTab(taken[-1], errors)
        pages.append(page)
        page.page.goto(f"{site}/room.html")
        page.enter(node.ws_url(), login, "lobby")
        return page

    yield open_one
    for tab in taken:
        tabs.give_back(tab)


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


def test_a_room_has_pages_on_two_nodes(
    room_on: Callable[[ServerProcess, str], RoomTab], nodes: list[ServerProcess]
) -> None:
    ann, ben = room_on(nodes[0], "ann"), room_on(nodes[1], "ben")
    ann.wait_for_event("lobby", "JOINED", "ben")
    hers = ann.publish_in("lobby")
    ben.play_in("lobby", "ann", hers).sees()
    ann.say("lobby", "ben", "hello")
    ben.wait_for_event("lobby", "MESSAGE", {"from": "ann", "text": "hello"})
    assert ben.leave("lobby")
    ann.wait_for_event("lobby", "LEFT", "ben")
    assert ann.participants("lobby") == {}


def test_a_node_that_drains_plays_on_and_publishes_nothing_new(page_on: OpenOn, nodes: list[ServerProcess]) -> None:
    a, b, c = nodes
    page_on(a).published("match")
    viewer, publisher = page_on(b), page_on(b)
    player = viewer.played("match")
    (node_id,) = {connection["nodeId"] for connection in b.connections() if _is_of(b, connection)}

    c.operate("drain", "--node", node_id, "--timeout", "10m")

    publisher.publish("late").wait_for("FAILED", "Server is draining")
    player.wait_for_growth(framesDecoded=5)
    viewer.played("match")
    c.operate("undrain", "--node", node_id)
    publisher.published("late")


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
    mortal = ServerProcess(tmp_path_factory.mktemp("mortal"), PATIENT | {"cluster.redis_url": redis.url})
    page = page_on(mortal)
    page.published("film")
    player = page_on(b).played("film")

    mortal.kill()

    page.wait_for_session("DISCONNECTED")
    player.wait_for_end()
    assert player.history[-1].status == "FAILED", player.history
    heir = page_on(c)
    c.wait_until(lambda: _publishes(heir, "film"), what="the lease of a dead node is over", timeout=60)


def _is_of(node: ServerProcess, connection: dict[str, Any]) -> bool:
    """Whether a session is connected to the node's own port."""
    return f":{node.addresses['ws'][0].port}-" in connection["sessionId"]


def _knows(node: ServerProcess, name: str) -> bool:
    try:
        return len(node.streams(name=name)) == 1
    except HTTPStatusError:  # 503 while not all nodes hear each other again
        return False


def _publishes(page: SdkPage, name: str) -> bool:
    stream = page.publish(name)
    page.wait("(id) => harness.reached(id, 'PUBLISHING')", stream.id)
    return stream.history[-1].status == "PUBLISHING"
