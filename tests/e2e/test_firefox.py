"""Firefox beside Chromium: each publishes for the other, and Firefox for itself."""

import pytest
from attrs import frozen
from httpx import codes

from tests.support.browsers.sdk_page import OpenPage, SdkPage, SdkStream
from tests.support.servers.server_process import ServerProcess

BOTH_WAYS = [("firefox", "chromium"), ("chromium", "firefox")]


@frozen
class Pair:
    """Two pages, without a session."""

    publisher: SdkPage
    player: SdkPage

    def connect(self, url: str) -> None:
        for page in (self.publisher, self.player):
            page.connect(url)

    def live(self, codec: str = "VP8") -> tuple[SdkStream, SdkStream]:
        """A publication, and a playback of it that is seen and heard."""
        publication = self.publisher.published("news", codec=codec)
        playback = self.player.play("news")
        playback.sees_and_hears()
        return publication, playback


@pytest.fixture(params=BOTH_WAYS, ids=" to ".join)
def pair(request: pytest.FixtureRequest, open_page: OpenPage, open_firefox_page: OpenPage) -> Pair:
    """A page of each browser, connected; in which of them the publisher is, is the parameter."""
    openers = {"chromium": open_page, "firefox": open_firefox_page}
    return Pair(*(openers[browser]() for browser in request.param))


@pytest.fixture
def connected_pair(pair: Pair, server: ServerProcess) -> Pair:
    """The same, with established sessions."""
    pair.connect(server.ws_url())
    return pair


@pytest.mark.parametrize("codec", ["VP8", "VP9", "AV1"])
def test_each_sees_and_hears_the_other(connected_pair: Pair, codec: str) -> None:
    publication, playback = connected_pair.live(codec)

    measured = playback.measure()

    assert (measured["audioCodec"], measured["videoCodec"]) == ("opus", codec)
    assert (measured["width"], measured["height"]) == (320, 240)
    assert publication.measure()["videoCodec"] == codec
    publication.wait_for_growth(reportedAt=1)
    playback.stop()
    playback.wait_for("STOPPED", "Stopped by user")
    publication.stop()
    publication.wait_for("UNPUBLISHED", "Stopped by user")


def test_one_page_publishes_and_plays(open_firefox_page: OpenPage, server: ServerProcess) -> None:
    page = open_firefox_page()
    page.connect(server.ws_url())
    publication = page.published("news", stripCodecs="")
    page.play("news").sees_and_hears()
    assert publication.measure()["videoCodec"] == "VP8"


@pytest.mark.parametrize(("without", "counter"), [("video", "videoPackets"), ("audio", "audioPackets")])
def test_one_kind_of_media_alone(connected_pair: Pair, without: str, counter: str) -> None:
    connected_pair.publisher.published("news", **{without: False})
    playback = connected_pair.player.play("news")
    playback.wait_for("PLAYING")

    measured = playback.wait_for_growth(currentTime=0.5)

    assert measured[counter] == 0


def test_mutes_and_data_of_the_publisher_come_to_its_player(connected_pair: Pair) -> None:
    publication, playback = connected_pair.live()

    publication.call("muteAudio")
    publication.call("muteVideo")
    playback.wait_for_growth(audioPackets=30, currentTime=0.5)  # silence goes on
    publication.call("unmuteVideo")
    publication.call("unmuteAudio")
    publication.call("sendData", {"text": "Grüße"})

    (event,) = playback.wait_for_event("data")
    assert event["payload"] == {"text": "Grüße"}
    mutes = ["audioMuted", "videoMuted", "videoUnmuted", "audioUnmuted"]
    assert [event["type"] for event in playback.events_of(*mutes)] == mutes
    playback.sees_and_hears()


def test_a_picture_that_changes_its_size_does_so_for_its_players(connected_pair: Pair) -> None:
    publication = connected_pair.publisher.publish_canvas("board", width=320, height=240)
    publication.wait_for("PUBLISHING")
    playback = connected_pair.player.played("board")
    playback.wait_for_size(320, 240)

    connected_pair.publisher.resize_canvas(publication, width=480, height=200)

    playback.wait_for_size(480, 200)
    playback.sees()


def test_a_terminated_stream_ends_for_both_and_is_live_again_at_once(
    connected_pair: Pair, server: ServerProcess
) -> None:
    publication, playback = connected_pair.live()
    connected_pair.publisher.keep_peers_open()
    connected_pair.player.keep_peers_open()

    assert server.terminate({"name": "news", "published": True}).status_code == codes.OK

    publication.wait_for("FAILED", "Stopped by rest /terminate")
    playback.wait_for("FAILED", "Stopped by publisher stop")
    for stream in (publication, playback):
        stream.wait_for_state(dtlsState="closed")
    _, playback = connected_pair.live()
    assert server.terminate({"mediaSessionId": playback.id}).status_code == codes.OK
    playback.wait_for("FAILED", "Stopped by rest /terminate")


def test_pages_connect_over_tls_with_the_certificate_that_the_server_made(pair: Pair, server: ServerProcess) -> None:
    pair.connect(server.wss_url())
    pair.live()


def test_a_page_that_is_loaded_anew_takes_its_streams_along(connected_pair: Pair, server: ServerProcess) -> None:
    _, playback = connected_pair.live()
    connected_pair.publisher.page.reload()
    playback.wait_for("FAILED", "Stopped by publisher stop")
    server.wait_until(lambda: len(server.connections()) == 1, what="the player's session is left")
