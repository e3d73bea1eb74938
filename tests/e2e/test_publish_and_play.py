"""Pages publish and other pages play: every codec, sound and pictures alone, several players, a changing size."""

import pytest

from tests.support.browsers.sdk_page import VIDEO_CODECS, OpenPage, Seen, all_see


@pytest.mark.parametrize("codec", VIDEO_CODECS)
def test_a_stream_of_each_video_codec_is_seen_and_heard(connected_page: OpenPage, codec: str) -> None:
    publisher, player = connected_page(), connected_page()
    publication = publisher.published("news", codec=codec)
    playback = player.play("news")
    playback.wait_for("PLAYING")

    measured = playback.sees_and_hears()

    assert (measured["audioCodec"], measured["videoCodec"]) == ("opus", codec)
    assert (measured["width"], measured["height"]) == (320, 240)
    assert publication.measure()["videoCodec"] == codec
    assert publication.history == [Seen("PUBLISHING")]
    assert playback.history == [Seen("PENDING"), Seen("PLAYING")]
    playback.wait_for("RESIZE")  # by which alone SDKs from before June 2022 know the size


def test_without_a_wish_of_the_page_the_preferred_codec_is_taken(connected_page: OpenPage) -> None:
    page = connected_page()
    publication = page.published("news", stripCodecs="")
    page.played("news")
    assert publication.measure()["videoCodec"] == "VP8"


def test_sound_alone_is_published(connected_page: OpenPage) -> None:
    publisher, player = connected_page(), connected_page()
    publisher.published("radio", video=False)
    playback = player.play("radio")
    playback.wait_for("PLAYING")

    measured = playback.wait_for_growth(audioPackets=20, audioEnergy=1e-9, currentTime=0.5)

    assert measured["videoPackets"] == 0


def test_pictures_alone_are_published(connected_page: OpenPage) -> None:
    publisher, player = connected_page(), connected_page()
    publisher.published("silent", audio=False)
    playback = player.played("silent")
    assert playback.measure()["audioPackets"] == 0


def test_a_player_takes_the_sound_alone(connected_page: OpenPage) -> None:
    publisher, player = connected_page(), connected_page()
    publisher.published("news")
    playback = player.play("news", constraints={"audio": True, "video": False})
    playback.wait_for("PLAYING")

    measured = playback.wait_for_growth(audioPackets=20, audioEnergy=1e-9, currentTime=0.5)

    assert measured["videoPackets"] == 0


def test_a_player_takes_the_pictures_alone(connected_page: OpenPage) -> None:
    publisher, player = connected_page(), connected_page()
    publisher.published("news")
    playback = player.played("news", receiveAudio=False)
    assert playback.measure()["audioPackets"] == 0


def test_a_player_without_the_codec_of_the_stream_is_told_so(connected_page: OpenPage) -> None:
    page = connected_page()
    page.published("news", codec="VP8")
    page.play("news", stripCodecs="VP8").wait_for("FAILED", "No common codecs")


def test_two_players_and_one_that_joins_late_all_see_the_stream(connected_page: OpenPage) -> None:
    publisher, first, second, late = (connected_page() for _ in range(4))
    publisher.published("news")
    playbacks = [first.play("news"), second.play("news")]
    for playback in playbacks:
        playback.wait_for("PLAYING")
        playback.sees_and_hears()

    late.play("news").sees_and_hears()

    for playback in playbacks:
        playback.sees_and_hears()


def test_one_session_holds_two_publications_and_several_players(connected_page: OpenPage) -> None:
    page, other = connected_page(), connected_page()
    news = page.published("news", codec="VP8")
    sport = page.published("sport", codec="H264")
    playbacks = [page.play("news"), page.play("news"), page.play("sport"), other.play("sport")]
    all_see(*playbacks)
    assert [playback.measure()["videoCodec"] for playback in playbacks] == ["VP8", "VP8", "H264", "H264"]

    playbacks[0].stop()
    playbacks[0].wait_for("STOPPED", "Stopped by user")
    news.stop()
    news.wait_for("UNPUBLISHED", "Stopped by user")
    playbacks[1].wait_for("FAILED", "Stopped by publisher stop")

    assert sport.history == [Seen("PUBLISHING")]
    all_see(*playbacks[2:])


@pytest.mark.parametrize("codec", ["VP8", "H264"])
def test_a_picture_that_changes_its_size_does_so_for_its_players(connected_page: OpenPage, codec: str) -> None:
    publisher, player = connected_page(), connected_page()
    publication = publisher.publish_canvas("board", width=320, height=240, codec=codec)
    publication.wait_for("PUBLISHING")
    playback = player.played("board")
    playback.wait_for_size(320, 240)

    publisher.resize_canvas(publication, width=480, height=200)

    playback.wait_for_size(480, 200)
    playback.wait_for_resize(480, 200)
    playback.wait_for_resolution(480, 200)
    playback.sees()


def test_wishes_of_a_page_about_its_media_do_no_harm(connected_page: OpenPage) -> None:
    publisher, player = connected_page(), connected_page()
    publisher.published(
        "news",
        audio={"stereo": True, "bitrate": 64000, "fec": True},
        video={"width": 320, "height": 240, "frameRate": 15, "minBitrate": 100, "maxBitrate": 300},
        transport="TCP",
        cvoExtension=True,
        record=True,
    )
    playback = player.play(
        "news",
        constraints={"audio": {"stereo": True}, "video": {"width": 160, "height": 120, "bitrate": 100, "quality": 50}},
        transport="UDP",
    )
    playback.sees_and_hears()
