"""CONNECTION_QUALITY: the SDK compares what its browser counts with what the server says it gets and sends."""

from tests.support.browsers.sdk_page import OpenPage, SdkStream

SETTINGS = {"inbound_video_rate_stat_send_interval": 1, "outbound_video_rate_stat_send_interval": 1}


def qualities(stream: SdkStream) -> list[tuple[str, float, float]]:
    """Each update: the quality, and the rates of browser and server that the SDK has smoothed, in bit/s."""
    stream.page.wait("(id) => harness.of(id).qualities.length >= 2", stream.id)
    found = stream.page.run("(id) => harness.of(id).qualities", stream.id)
    return [(quality, mine, theirs) for quality, mine, theirs in found]


def test_publisher_and_player_are_told_their_quality(connected_page: OpenPage) -> None:
    page = connected_page()
    streams = [page.published("news"), page.played("news")]
    for stream in streams:
        quality, mine, theirs = qualities(stream)[-1]
        assert quality in ("PERFECT", "GOOD")
        assert mine > 0
        assert 0.5 < theirs / mine < 2
