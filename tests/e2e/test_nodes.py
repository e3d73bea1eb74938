"""`wcsd --nodes 4`, as pages with the unmodified SDK see it: one server, whichever process has their session."""

from collections import Counter
from collections.abc import Iterator
from itertools import cycle

import pytest
from httpx import codes

from tests.support.browsers.sdk_page import OpenPage, SdkPage, SdkStream
from tests.support.servers.server_process import ServerProcess, running_server

NODES = 4
SESSIONS = 40
STREAMS = 4
PLAYERS = 20
PAGES = 2
SOUND_ALONE = {"audio": True, "video": False}
"""Of many streams, pictures would be most of the work."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    settings = {"cluster.answer_timeout": 20_000, "cluster.timeout": 20_000}
    with running_server(tmp_path_factory.mktemp("nodes"), settings, options=[f"--nodes={NODES}"]) as server:
        yield server


Streams = list[SdkStream]


def test_forty_sessions_share_four_nodes_and_one_request_ends_exactly_what_matches(
    open_page: OpenPage, server: ServerProcess
) -> None:
    publications, players = forty_sessions([open_page() for _ in range(PAGES)], server)
    nodes = Counter(each["nodeId"] for each in server.connections())
    assert (nodes.total(), len(nodes)) == (SESSIONS, NODES)
    assert passed_between_nodes(server) > 0
    listeners = [each for each in players if each.name == "song-3"]
    others = [each for each in players if each not in listeners]

    end(server, len(listeners), name="song-3", published=False)

    for each in listeners:
        each.wait_for("FAILED", "Stopped by rest /terminate")
    assert {latest(each) for each in others} == {"PLAYING"}
    assert {latest(each) for each in publications} == {"PUBLISHING"}

    end(server, STREAMS, published=True)

    for each in publications:
        each.wait_for("FAILED", "Stopped by rest /terminate")
    for each in others:
        each.wait_for("FAILED", "Stopped by publisher stop")
    assert server.streams() == []


def forty_sessions(pages: list[SdkPage], server: ServerProcess) -> tuple[Streams, Streams]:
    """What is published and what is played; each stream is of a session of its own, others have none."""
    turns = cycle(pages)

    def session() -> SdkPage:
        """A page with one more session, with which its next stream is."""
        page = next(turns)
        page.connect(server.ws_url())
        return page

    publications = [session().publish(f"song-{number}", video=False) for number in range(STREAMS)]
    for each in publications:
        each.wait_for("PUBLISHING")
    players = [session().play(f"song-{number % STREAMS}", constraints=SOUND_ALONE) for number in range(PLAYERS)]
    for _ in range(SESSIONS - STREAMS - PLAYERS):
        session()
    for each in players:
        each.wait_for("PLAYING")
    for each in players[:STREAMS]:
        each.wait_for_growth(audioPackets=5)
    return publications, players


def end(server: ServerProcess, count: int, **filters: object) -> None:
    """One request, which ends so many streams on all nodes."""
    answer = server.terminate(filters)
    assert (answer.status_code, answer.headers["X-Terminated-Count"]) == (codes.OK, str(count))
    assert answer.headers["X-Cluster-Nodes"] == f"{NODES}/{NODES}"


def latest(stream: SdkStream) -> str:
    return stream.history[-1].status


def passed_between_nodes(server: ServerProcess) -> int:
    """How many streams come from one node to another, the first time each node is asked."""
    shown = server.post("/stream/find_all?relays=true", {}).raise_for_status().json()
    return sum(each["mediaProvider"] == "Relay" for each in shown)
