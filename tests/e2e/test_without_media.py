"""Streams whose media never comes up. The page can do nothing about it: only the server's own limits end them."""

from collections.abc import Callable

from tests.support.browsers.sdk_page import OpenPage, SdkPage, SdkStream, Seen

SETTINGS = {"ice_timeout": 4000, "play_wait_timeout": 300}
TOO_LATE = Seen("FAILED", "Failed by ICE timeout")
TRIES = 5


def live(begin: Callable[[SdkPage, str], SdkStream], page: SdkPage, status: str) -> SdkStream:
    """A stream `news` whose media comes up: in another try, if a browser without time needs more than the limit."""
    for _ in range(TRIES):
        stream = begin(page, "news")
        page.wait("([id, status]) => harness.reached(id, status)", [stream.id, status])
        if TOO_LATE not in stream.history:
            break
    assert Seen(status) in stream.history, stream.history
    return stream


def published(page: SdkPage) -> SdkStream:
    return live(SdkPage.publish, page, "PUBLISHING")


def test_a_publication_without_media_fails_and_frees_its_name(connected_page: OpenPage) -> None:
    page = connected_page()
    page.hold_answers()
    page.publish("news").wait_for("FAILED", "Failed by ICE timeout")
    page.release_answers()
    published(page)


def test_a_player_without_media_fails_and_the_publisher_goes_on(connected_page: OpenPage) -> None:
    publisher, player = connected_page(), connected_page()
    publication = published(publisher)
    player.hold_answers()
    player.play("news").wait_for("FAILED", "Failed by ICE timeout")
    live(SdkPage.play, publisher, "PLAYING").sees()
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
