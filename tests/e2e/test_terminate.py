"""POST /rest-api/stream/terminate: exactly the streams that a filter names, with several of them live at once.

The stage: `news` and `sport` are published by one page, and a second page plays both, `news` twice.
"""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from attrs import frozen
from httpx import codes

from tests.support.browsers.sdk_page import OpenPage, SdkPage, SdkStream, Seen, all_see
from tests.support.servers.server_process import ServerProcess

TERMINATED = Seen("FAILED", "Stopped by rest /terminate")
FALLEN = Seen("FAILED", "Stopped by publisher stop")
PLAYERS = ("news player", "news player 2", "sport player")
NEWS_PLAYERS = PLAYERS[:2]
Filters = dict[str, Any]


@frozen(kw_only=True)
class Stage:
    """Every stream that is live, by a short name."""

    publisher: SdkPage
    player: SdkPage
    streams: dict[str, SdkStream]

    def id(self, stream: str) -> str:
        return self.streams[stream].id

    def check(self, *, terminated: Iterable[str], fallen: Iterable[str] = ()) -> None:
        """Wait until these have ended so, and see that all others go on."""
        ends = dict.fromkeys(terminated, TERMINATED) | dict.fromkeys(fallen, FALLEN)
        for name, end in ends.items():
            self.streams[name].wait_for(end.status, end.info)
        others = [stream for name, stream in self.streams.items() if name not in ends]
        for stream in others:
            assert stream.history[-1] in (Seen("PUBLISHING"), Seen("PLAYING")), stream.name
        all_see(*(stream for stream in others if Seen("PLAYING") in stream.history))


@pytest.fixture
def stage(connected_page: OpenPage) -> Stage:
    publisher, player = connected_page(), connected_page()
    streams = {
        "news": publisher.published("news", audio=False),
        "sport": publisher.published("sport", audio=False),
        "news player": player.play("news"),
        "news player 2": player.play("news"),
        "sport player": player.play("sport"),
    }
    all_see(*(streams[name] for name in PLAYERS))
    return Stage(publisher=publisher, player=player, streams=streams)


@pytest.mark.parametrize(
    ("filters", "terminated", "fallen"),
    [
        pytest.param({"published": False}, PLAYERS, (), id="all players"),
        pytest.param({"published": "false"}, PLAYERS, (), id="all players, the boolean as text"),
        pytest.param({"name": "news", "published": False}, NEWS_PLAYERS, (), id="players of one stream"),
        pytest.param({"name": "news", "status": "PUBLISHING"}, ("news",), NEWS_PLAYERS, id="publication by status"),
        pytest.param({"status": "PLAYING"}, PLAYERS, (), id="all by status"),
        pytest.param({"published": True}, ("news", "sport"), PLAYERS, id="all publications"),
        pytest.param({"name": "sport", "published": True}, ("sport",), ("sport player",), id="one publication"),
    ],
)
def test_a_filter_stops_what_it_names(
    stage: Stage, server: ServerProcess, filters: Filters, terminated: tuple[str, ...], fallen: tuple[str, ...]
) -> None:
    answer = server.terminate(filters)

    assert (answer.status_code, answer.content) == (codes.OK, b"")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-terminated-count"] == str(len(terminated))
    left = {stage.streams[name].id for name in stage.streams if name not in (*terminated, *fallen)}
    assert {stream["mediaSessionId"] for stream in server.streams()} == left, "all have stopped when it answers"
    stage.check(terminated=terminated, fallen=fallen)


@pytest.mark.parametrize(
    ("make_filters", "terminated", "fallen"),
    [
        pytest.param(lambda stage: {"mediaSessionId": stage.id("news")}, ("news",), NEWS_PLAYERS, id="publication"),
        pytest.param(lambda stage: {"mediaSessionId": stage.id("news player")}, ("news player",), (), id="player"),
        pytest.param(
            lambda stage: {"mediaSessionIds": [stage.id("sport"), stage.id("news player 2"), "unknown"]},
            ("sport", "news player 2"),
            ("sport player",),
            id="list of ids",
        ),
    ],
)
def test_media_sessions_are_stopped_by_id(
    stage: Stage,
    server: ServerProcess,
    make_filters: Callable[[Stage], Filters],
    terminated: tuple[str, ...],
    fallen: tuple[str, ...],
) -> None:
    assert server.terminate(make_filters(stage)).status_code == codes.OK
    stage.check(terminated=terminated, fallen=fallen)


def test_filters_that_match_nothing_stop_nothing(stage: Stage, server: ServerProcess) -> None:
    nothing: list[Filters] = [
        {"name": "weather"},
        {"mediaSessionId": "41c3f621-a847-4639"},
        {"mediaSessionIds": []},
        {"mediaSessionIds": ["41c3f621-a847-4639"]},
        {"name": "news", "status": "STOPPED"},
        {"name": "news", "published": True, "status": "PLAYING"},
        {"mediaSessionId": stage.id("news"), "published": False},
    ]
    assert [server.terminate(filters).status_code for filters in nothing] == [codes.NOT_FOUND] * len(nothing)
    for wrong in ({"nam": "news"}, {"name": None}, {"published": "perhaps"}):
        assert server.terminate(wrong).status_code == codes.BAD_REQUEST
    stage.check(terminated=())


def test_a_dry_run_shows_what_would_fall_and_stops_nothing(stage: Stage, server: ServerProcess) -> None:
    answer = server.post("/stream/terminate?dry_run=true", {"name": "news", "published": True})
    assert answer.status_code == codes.OK
    (matched,) = answer.json()
    assert (matched["mediaSessionId"], matched["cascade"]) == (stage.id("news"), 2)
    stage.check(terminated=())


def test_an_empty_filter_stops_everything(stage: Stage, server: ServerProcess) -> None:
    assert server.terminate({}).status_code == codes.OK
    assert server.streams() == []
    for stream in stage.streams.values():
        stream.wait_for_end()
        assert stream.history[-1] in (TERMINATED, FALLEN)


def test_a_session_is_stopped_by_its_id(stage: Stage, server: ServerProcess) -> None:
    (playing,) = {stream["sessionId"] for stream in server.streams(published=False)}
    assert server.terminate({"sessionId": playing}).status_code == codes.OK
    stage.check(terminated=PLAYERS)


def test_a_terminated_stream_is_published_and_played_again_at_once(stage: Stage, server: ServerProcess) -> None:
    for _ in range(3):
        assert server.terminate({"name": "news", "published": True}).status_code == codes.OK
        stage.publisher.published("news")
        stage.player.played("news")


def test_after_a_terminate_the_transport_is_closed_and_silent(connected_page: OpenPage, server: ServerProcess) -> None:
    publisher, player = connected_page(), connected_page()
    publication, playback = publisher.published("news"), player.played("news")
    assert min(publication.packets_in_one_second(), playback.packets_in_one_second()) > 0
    publisher.keep_peers_open()
    player.keep_peers_open()

    assert server.terminate({"name": "news", "published": True}).status_code == codes.OK

    for stream in (publication, playback):
        stream.wait_for_state(dtlsState="closed")
        assert stream.packets_in_one_second() == 0
