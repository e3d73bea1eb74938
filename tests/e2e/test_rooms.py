"""Rooms, as pages with the unmodified RoomApi see them: the application `roomApp`, as it is shipped."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page

from tests.support.browsers.room_tab import RoomTab
from tests.support.browsers.sdk_page import Seen, all_see
from tests.support.browsers.tabs import Tabs
from tests.support.servers.server_process import ServerProcess

OpenRoomPage = Callable[..., RoomTab]
"""Opens a page under a login, which joins the rooms named."""


@pytest.fixture
def room_page(tabs: Tabs, site: str, ws_url: str, emptied_server: None) -> Iterator[OpenRoomPage]:
    """Opens pages of Chromium that have loaded the RoomApi. On none of them anything may have failed."""
    taken: list[Page] = []
    pages: list[RoomTab] = []

    def open_one(login: str, *rooms: str) -> RoomTab:
        errors: list[str] = []
        taken.append(tabs.take(errors.append))
        page = RoomTab(taken[-1], errors)
        pages.append(page)
        taken[-1].goto(f"{site}/room.html")
        page.enter(ws_url, login, *rooms)
        return page

    yield open_one
    for tab in taken:
        tabs.give_back(tab)
    assert [page.console for page in pages] == [[]] * len(pages), "the SDK throws if the order of events is wrong"


def test_three_pages_meet_talk_and_part(room_page: OpenRoomPage) -> None:
    ann = room_page("ann", "lobby")
    hers = ann.publish_in("lobby")
    ben = room_page("ben", "lobby")
    assert ben.events("lobby") == [("STATE", {"ann": [hers.name]})]
    his = ben.publish_in("lobby")
    ann.wait_for_event("lobby", "PUBLISHED", "ben")
    cem = room_page("cem", "lobby")
    assert cem.events("lobby") == [("STATE", {"ann": [hers.name], "ben": [his.name]})]
    all_see(
        ann.play_in("lobby", "ben", his),
        ben.play_in("lobby", "ann", hers),
        cem.play_in("lobby", "ann", hers),
        cem.play_in("lobby", "ben", his),
    )

    ann.say("lobby", "ben", "hello")
    ben.wait_for_event("lobby", "MESSAGE", {"from": "ann", "text": "hello"})
    assert "MESSAGE" not in [event for event, _ in cem.events("lobby")]

    assert cem.leave("lobby")
    for page in (ann, ben):
        page.wait_for_event("lobby", "LEFT", "cem")
    assert ann.events("lobby") == [
        ("STATE", {}),
        ("JOINED", "ben"),
        ("PUBLISHED", "ben"),
        ("JOINED", "cem"),
        ("LEFT", "cem"),
    ]


def test_a_member_shows_camera_and_screen_and_stops_one(room_page: OpenRoomPage) -> None:
    ann, ben = room_page("ann", "lobby"), room_page("ben", "lobby")
    camera = ann.publish_in("lobby")
    screen = ann.publish_in("lobby", name="screen", isScreen=True)
    assert screen.name.endswith("-screen")
    shown = [ben.play_in("lobby", "ann", camera), ben.play_in("lobby", "ann", screen)]
    all_see(*shown)

    screen.stop()
    screen.wait_for("UNPUBLISHED", "Stopped by user")
    shown[1].wait_for("FAILED", "Stopped by publisher stop")
    ben.wait("(name) => !roomHarness.participants('lobby').ann.includes(name)", screen.name)
    assert ben.participants("lobby") == {"ann": [camera.name]}
    all_see(shown[0])


def test_one_session_is_in_two_rooms(room_page: OpenRoomPage) -> None:
    ann = room_page("ann", "lobby", "kitchen")
    ben, cem = room_page("ben", "lobby"), room_page("cem", "kitchen")
    in_lobby = ann.publish_in("lobby")
    ben.wait_for_event("lobby", "PUBLISHED", "ann")
    assert cem.participants("kitchen") == {"ann": []}
    in_kitchen = ann.publish_in("kitchen", isScreen=True)
    played = cem.play_in("kitchen", "ann", in_kitchen)
    played.sees()
    assert ann.participants("lobby") == {"ben": []}
    assert ann.participants("kitchen") == {"cem": []}

    assert ann.leave("lobby")
    in_lobby.wait_for("UNPUBLISHED", "Stopped by user")
    ben.wait_for_event("lobby", "LEFT", "ann")
    played.sees()
    cem.say("kitchen", "ann", "still here?")
    ann.wait_for_event("kitchen", "MESSAGE", {"from": "cem", "text": "still here?"})


def test_a_page_that_is_reloaded_is_the_same_member_again(room_page: OpenRoomPage, ws_url: str) -> None:
    ann, ben = room_page("ann", "lobby"), room_page("ben", "lobby")
    his = ben.publish_in("lobby")
    played = ann.play_in("lobby", "ben", his)
    played.sees()
    ben.page.reload()
    ben.enter(ws_url, "ben", "lobby")
    ann.wait("() => roomHarness.state.events.filter(([, event]) => event === 'JOINED').length === 2")
    assert ann.events("lobby")[-2:] == [("LEFT", "ben"), ("JOINED", "ben")]
    played.wait_for("FAILED", "Stopped by publisher stop")
    ann.play_in("lobby", "ben", ben.publish_in("lobby")).sees()


def test_a_login_that_joins_twice_displaces_itself(room_page: OpenRoomPage) -> None:
    ann, old = room_page("ann", "lobby"), room_page("ben", "lobby")
    his = old.publish_in("lobby")
    new = room_page("ben", "lobby")
    assert new.events("lobby") == [("STATE", {"ann": []})]
    ann.wait("() => roomHarness.state.events.filter(([, event]) => event === 'JOINED').length === 2")
    assert ann.events("lobby")[-2:] == [("LEFT", "ben"), ("JOINED", "ben")]
    his.wait_for("FAILED", "Joined by another session with the same login")
    assert old.leave("lobby") is False, "the old page can clean up"
    new.say("lobby", "ann", "it is me")
    ann.wait_for_event("lobby", "MESSAGE", {"from": "ben", "text": "it is me"})


def test_a_page_that_dies_has_left_at_once(room_page: OpenRoomPage) -> None:
    ann, ben = room_page("ann", "lobby"), room_page("ben", "lobby")
    ben.kill()
    ann.wait_for_event("lobby", "LEFT", "ben")


def test_a_member_is_kicked_by_rest(room_page: OpenRoomPage, server: ServerProcess) -> None:
    ann, ben = room_page("ann", "lobby"), room_page("ben", "lobby")
    his, hers = ben.publish_in("lobby"), ann.publish_in("lobby")
    played = ben.play_in("lobby", "ann", hers)
    played.sees()
    (room,) = server.post("/room/find", {"name": "lobby"}).json()
    assert [member["login"] for member in room["members"]] == ["ann", "ben"]

    assert server.post("/room/kick", {"name": "lobby", "login": "ben"}).status_code == 200

    ann.wait_for_event("lobby", "LEFT", "ben")
    for stream in (his, played):
        stream.wait_for("FAILED", "Stopped by rest /terminate")
    ben.join("lobby")
    ben.wait_for_event("lobby", "FAILED", "Kicked from room")
    assert hers.history == [Seen("PUBLISHING")]
