"""CONNECTION_QUALITY: the SDK compares what its browser counts with what the server says it gets and sends."""

from tests.support.browsers.sdk_page import OpenPage, SdkStream

SETTINGS = {"inbound_video_rate_stat_send_interval": 1, "outbound_video_rate_stat_send_interval": 1}


def is_found_good(stream: SdkStream) -> None:
    """Wait for an update, not the first one, that is good: browser and server have counted the same, as near as may be.

    An update has the quality, and the rates of both that the SDK has smoothed, in bit/s. Browser and server look at
    their counters when they come to it: on a busy machine, some seconds of the one are not those of the other.
    """
    stream.page.wait(
        "(id) => harness.of(id).qualities.slice(1).some(([quality, mine, theirs]) =>"
        "  ['PERFECT', 'GOOD'].includes(quality) && mine > 0 && theirs / mine > 0.5 && theirs / mine < 2)",
        stream.id,
    )


def test_publisher_and_player_are_told_their_quality(connected_page: OpenPage) -> None:
    page = connected_page()
    streams = [page.published("news"), page.played("news")]
    for stream in streams:
        is_found_good(stream)
