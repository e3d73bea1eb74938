"""Pages with the SDK of 2021, alone and beside pages of today."""

import base64

from tests.support.browsers.sdk_page import OLD_SDK, OpenPage

SETTINGS = {"snapshot.timeout": 30_000}


def test_an_old_page_publishes_and_plays_and_hears_of_sizes_by_status(connected_page: OpenPage) -> None:
    page = connected_page(OLD_SDK)
    ((connection,),) = page.frames("connection", sent=True)
    assert connection["clientVersion"] == "2.0.180"
    publication = page.publish_canvas("news", width=320, height=240)
    publication.wait_for("PUBLISHING")
    playback = page.played("news")
    playback.wait_for("RESIZE")
    playback.wait_for_resolution(320, 240)

    page.resize_canvas(publication, width=480, height=360)

    playback.wait_for_resolution(480, 360)
    assert playback.call("status") == "PLAYING"
    playback.stop()
    playback.wait_for("STOPPED", "Stopped by user")
    publication.stop()
    publication.wait_for("UNPUBLISHED", "Stopped by user")


def test_an_old_page_gets_pictures_by_status(connected_page: OpenPage) -> None:
    page = connected_page(OLD_SDK)
    page.publish_canvas("news", width=320, height=240).wait_for("PUBLISHING")
    stream = page.new_stream("news")
    stream.call("snapshot")
    page.wait("(id) => harness.historyOf(id).some(([status]) => status === 'SNAPSHOT_COMPLETE')", stream.id)
    ((_, picture),) = [(seen.status, seen.info) for seen in stream.told if seen.status == "SNAPSHOT_COMPLETE"]
    assert picture is not None
    assert base64.b64decode(picture).startswith(b"\x89PNG")


def test_old_and_new_pages_play_each_other_and_each_hears_of_sizes_in_its_way(connected_page: OpenPage) -> None:
    old, new = connected_page(OLD_SDK), connected_page()
    camera = old.published("camera")
    painting = new.publish_canvas("painting", width=320, height=240)
    painting.wait_for("PUBLISHING")
    of_old = new.played("camera")
    by_old, by_new = old.played("painting"), new.played("painting")

    new.resize_canvas(painting, width=480, height=360)

    by_old.wait_for_resolution(480, 360)
    by_new.wait_for_resize(480, 360)
    by_new.wait_for_resolution(480, 360)
    assert by_new.call("status") == by_old.call("status") == "PLAYING"
    camera.call("muteAudio")
    of_old.wait_for_event("audioMuted")
    assert [line for line in old.console + new.console if "ERROR" in line] == []
