"""Browsers behind a NAT that gives them another port in the middle of a stream."""

from collections.abc import Callable

import pytest

from tests.support.browsers.sdk_page import OpenPage, Seen
from tests.support.network.nat import PutInBetween
from tests.support.root import needs_root

IP = 4
NAT = "10.77.1.1"
SETTINGS = {"ip": f"{NAT}/10.77.0.1", "ice_keep_alive_timeout": 10_000}

pytestmark = needs_root


@pytest.mark.parametrize(
    ("publishing", "playing"), [("chromium", "chromium"), ("firefox", "chromium"), ("chromium", "firefox")]
)
def test_pictures_and_sound_go_on_from_another_port(
    put_in_between: PutInBetween,
    connected_pages: dict[str, OpenPage],
    moves: Callable[[], int],
    publishing: str,
    playing: str,
) -> None:
    """Within the time after which a silent path is the end of its stream."""
    nat = put_in_between(NAT)
    publisher, player = connected_pages[publishing](), connected_pages[playing]()
    publication, playback = publisher.published("news"), player.played("news")
    moves_before = moves()
    for _ in range(2):
        nat.rebind()
        before, told = playback.measure(), publication.measure()
        playback.wait_for_growth(before, framesDecoded=15, audioPackets=25, currentTime=0.5)
        publication.wait_for_growth(told, reportedAt=1000)  # the server's feedback
    assert moves() >= moves_before + 4
    assert publication.history == [Seen("PUBLISHING")]
    assert playback.history[-1] == Seen("PLAYING")
