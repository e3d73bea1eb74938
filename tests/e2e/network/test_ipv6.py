"""Firefox reaches the server over IPv6 alone, and goes on behind a firewall that gives it another port."""

from collections.abc import Callable

from tests.support.browsers.sdk_page import OpenPage, Seen
from tests.support.network.nat import PutInBetween
from tests.support.root import needs_root

IP = 6
FIREWALL = "fd77:1::1"
SETTINGS = {"ip": f"{FIREWALL}/fd77::1"}

pytestmark = needs_root


def test_firefox_publishes_and_plays(
    put_in_between: PutInBetween, connected_firefox_page: OpenPage, moves: Callable[[], int]
) -> None:
    firewall = put_in_between(FIREWALL)
    publication, playback = connected_firefox_page().published("news"), connected_firefox_page().play("news")
    playback.sees_and_hears()
    for stream in (publication, playback):
        assert stream.measure()["remoteAddress"] == FIREWALL
    moves_before = moves()
    firewall.rebind()
    before, told = playback.measure(), publication.measure()
    playback.wait_for_growth(before, framesDecoded=15, audioPackets=25, currentTime=0.5)
    publication.wait_for_growth(told, reportedAt=1000)
    assert moves() >= moves_before + 2
    assert publication.history == [Seen("PUBLISHING")]
    assert playback.history[-1] == Seen("PLAYING")
