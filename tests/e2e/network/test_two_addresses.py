"""A server with two addresses, one of them far away: media goes the way that Firefox chose, and ends with it."""

import pytest

from tests.support.browsers.sdk_page import OpenPage
from tests.support.network.nat import PutInBetween
from tests.support.root import needs_root

IP = 4
FIRST, SECOND = "10.77.1.1", "10.77.2.1"
"""In the server's order of preference."""
SETTINGS = {"ip": f"{FIRST}/10.77.0.1,{SECOND}/10.77.0.1", "ice_keep_alive_timeout": 6_000}
FAR, NEAR = 0.15, 0.005
WINDOWS = 3
"""Looks at both ways: media may have begun on the one that was nominated last, and its last packets be still there."""

pytestmark = needs_root


@pytest.mark.parametrize(("first", "second"), [(FAR, NEAR), (NEAR, FAR)], ids=["far first", "near first"])
def test_media_goes_the_way_that_firefox_uses_and_ends_with_it(
    put_in_between: PutInBetween, connected_firefox_page: OpenPage, first: float, second: float
) -> None:
    """Firefox nominates each way that works, and then uses the one that it was offered first."""
    used, unused = put_in_between(FIRST, delay=first).nat, put_in_between(SECOND, delay=second).nat
    publication, playback = connected_firefox_page().published("news"), connected_firefox_page().play("news")
    playback.sees_and_hears()
    assert {stream.measure()["remoteAddress"] for stream in (publication, playback)} == {FIRST}
    for _ in range(WINDOWS):
        was_used, was_unused = used.to_clients, unused.to_clients
        playback.wait_for_growth(framesDecoded=15, audioPackets=50)
        came, came_otherwise = used.to_clients - was_used, unused.to_clients - was_unused
        if came > 50 and came_otherwise * 10 < came:  # no more than answers to checks
            break
    else:
        pytest.fail("media goes the other way too")
    used.cut = unused.cut = True
    publication.wait_for("FAILED", "Failed by ICE keep alive")
    playback.wait_for_end()
    assert playback.told[-1].info in {"Failed by ICE keep alive", "Stopped by publisher stop"}, "whichever came first"
