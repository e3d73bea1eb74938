"""Streams whose media never comes up. The page can do nothing about it: only the server's own limits end them."""

from tests.support.browsers.sdk_page import OpenPage, Seen

SETTINGS = {"ice_timeout": 4000, "play_wait_timeout": 300}


def test_a_publication_without_media_fails_and_frees_its_name(connected_page: OpenPage) -> None:
    page = connected_page()
    page.hold_answers()
    page.publish("news").wait_for("FAILED", "Failed by ICE timeout")
    page.release_answers()
    page.published("news")


def test_a_player_without_media_fails_and_the_publisher_goes_on(connected_page: OpenPage) -> None:
    publisher, player = connected_page(), connected_page()
    publication = publisher.published("news")
    player.hold_answers()
    player.play("news").wait_for("FAILED", "Failed by ICE timeout")
    publisher.played("news")
    assert publication.history == [Seen("PUBLISHING")]


def test_a_player_does_not_wait_for_ever_for_its_publisher(connected_page: OpenPage) -> None:
    publisher, player = connected_page(), connected_page()
    publisher.hold_answers()
    publisher.publish("news")
    publisher.wait_for_frames("setRemoteSDP", 1)
    player.play("news").wait_for("FAILED", "Publish stream is not ready")


def test_a_stop_while_pending_is_settled_by_the_limit(connected_page: OpenPage) -> None:
    page = connected_page()
    page.hold_answers()
    publication = page.publish("news", stopAtOnce=True)
    publication.wait_for("FAILED", "Failed by ICE timeout")
    assert page.frames("unPublishStream", sent=True) == []
