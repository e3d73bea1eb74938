"""How streams end, no matter who ends them, and what each page is told."""

from tests.support.browsers.sdk_page import OpenPage, Seen
from tests.support.servers.server_process import ServerProcess

SETTINGS = {"play_wait_timeout": 60_000}
"""Media may come up as slowly as it likes: the limit is for `test_without_media`."""


def test_a_publisher_stops_and_its_players_fall(connected_page: OpenPage) -> None:
    publisher, player = connected_page(), connected_page()
    publication = publisher.published("news")
    playback = player.played("news")

    publication.stop()

    publication.wait_for("UNPUBLISHED", "Stopped by user")
    playback.wait_for("FAILED", "Stopped by publisher stop")


def test_a_player_stops_and_nobody_else_is_touched(connected_page: OpenPage) -> None:
    publisher, player, other = connected_page(), connected_page(), connected_page()
    publication = publisher.published("news")
    playback, remaining = player.played("news"), other.played("news")

    playback.stop()

    playback.wait_for("STOPPED", "Stopped by user")
    remaining.sees()
    assert publication.history == [Seen("PUBLISHING")]


def test_a_stopped_stream_is_published_and_played_again_at_once(connected_page: OpenPage) -> None:
    publisher, player = connected_page(), connected_page()
    first = publisher.published("news")
    player.played("news")
    first.stop()
    first.wait_for("UNPUBLISHED", "Stopped by user")

    second = publisher.published("news")

    assert second.id != first.id
    player.played("news")


def test_players_of_a_publisher_whose_tab_is_killed_are_told(connected_page: OpenPage) -> None:
    publisher, player = connected_page(), connected_page()
    publisher.published("news")
    playback = player.played("news")

    publisher.kill()

    playback.wait_for("FAILED", "Stopped by publisher stop")
    player.published("news")


def test_a_player_whose_tab_is_killed_is_forgotten(connected_page: OpenPage, server: ServerProcess) -> None:
    publisher, player, other = connected_page(), connected_page(), connected_page()
    publisher.published("news")
    player.played("news")
    remaining = other.played("news")

    player.kill()

    server.wait_until(lambda: len(server.streams(published=False)) == 1, what="one player is left")
    remaining.sees()


def test_media_that_closes_without_a_word_ends_the_stream(connected_page: OpenPage, server: ServerProcess) -> None:
    publisher, player = connected_page(), connected_page()
    publication = publisher.published("news")
    playback = player.played("news")

    publisher.run("watch.peers[0].close()")

    playback.wait_for("FAILED", "Stopped by publisher stop")
    publisher.wait("(id) => harness.historyOf(id).some(([status]) => status === 'FAILED')", publication.id)
    server.wait_until(lambda: not server.streams(), what="no stream is left")


def test_a_session_that_disconnects_takes_its_streams_with_it(connected_page: OpenPage, server: ServerProcess) -> None:
    publisher, player = connected_page(), connected_page()
    publications = [publisher.published("news"), publisher.published("sport")]
    own, playback = publisher.played("sport"), player.played("news")

    publisher.disconnect()

    playback.wait_for("FAILED", "Stopped by publisher stop")
    assert {stream.history[-1].status for stream in [*publications, own]} == {"FAILED"}
    server.wait_until(lambda: not server.streams(), what="no stream is left")
    server.wait_until(lambda: len(server.connections()) == 1, what="the player's session is left")

    publisher.connect(server.ws_url())
    publisher.published("news")
    player.played("news")


def test_a_session_that_is_terminated_takes_its_streams_with_it(
    connected_page: OpenPage, server: ServerProcess
) -> None:
    publisher, player = connected_page(), connected_page()
    publisher.published("news")
    playback = player.played("news")
    (stream,) = server.streams(published=True)

    assert server.post("/connection/terminate", {"sessionId": stream["sessionId"]}).is_success

    publisher.wait_for_session("DISCONNECTED")
    playback.wait_for("FAILED", "Stopped by publisher stop")
    server.wait_until(lambda: len(server.connections()) == 1, what="the player's session is left")


def test_a_page_that_is_reloaded_takes_its_streams_with_it(connected_page: OpenPage, server: ServerProcess) -> None:
    publisher, player = connected_page(), connected_page()
    publisher.published("news")
    playback = player.played("news")

    publisher.page.reload()

    playback.wait_for("FAILED", "Stopped by publisher stop")
    publisher.connect(server.ws_url())
    publisher.published("news")


def test_a_name_that_is_in_use_is_refused_and_its_stream_goes_on(connected_page: OpenPage) -> None:
    publisher, other = connected_page(), connected_page()
    publication = publisher.published("news")
    playback = other.played("news")

    other.publish("news").wait_for("FAILED", "Stream name is already in use")
    publisher.publish("news").wait_for("FAILED", "Stream name is already in use")

    playback.sees()
    assert publication.history == [Seen("PUBLISHING")]


def test_a_stream_that_nobody_publishes_cannot_be_played(connected_page: OpenPage) -> None:
    page = connected_page()
    playback = page.play("nothing")
    playback.wait_for("FAILED", "Session does not exist")
    assert playback.history == [Seen("PENDING"), Seen("FAILED", "Session does not exist")]


def test_available_tells_whether_a_stream_is_published(connected_page: OpenPage) -> None:
    page = connected_page()
    assert page.available("news") == {"available": False, "info": "Stream not found"}
    publication = page.published("news")
    assert page.available("news") == {"available": True, "info": None}
    publication.stop()
    publication.wait_for("UNPUBLISHED", "Stopped by user")
    assert page.available("news") == {"available": False, "info": "Stream not found"}


def test_a_publication_that_is_stopped_while_pending_ends(connected_page: OpenPage) -> None:
    page = connected_page()
    publication = page.publish("news", stopAtOnce=True)
    publication.wait_for("UNPUBLISHED", "Stopped by user")
    assert not page.available("news")["available"]


def test_a_playback_that_is_stopped_while_pending_ends(connected_page: OpenPage, server: ServerProcess) -> None:
    page = connected_page()
    publication = page.published("news")
    playback = page.play("news", stopAtOnce=True)
    playback.wait_for("STOPPED", "Stopped by user")
    server.wait_until(
        lambda: [stream["mediaSessionId"] for stream in server.streams()] == [publication.id],
        what="the publication is left",
    )


def test_a_player_waits_for_media_that_is_not_up_yet(connected_page: OpenPage, server: ServerProcess) -> None:
    publisher, player = connected_page(), connected_page()
    publisher.hold_answers()
    publication = publisher.publish("news")
    publisher.wait_for_frames("setRemoteSDP", 1)
    playback = player.play("news")
    server.wait_until(lambda: bool(server.streams(published=False, status="PENDING")), what="the player waits")

    publisher.release_answers()

    publication.wait_for("PUBLISHING")
    playback.wait_for("PLAYING")
    playback.sees_and_hears()
