"""Chromium behind a NAT that gives it another port in the middle of a stream."""

import re
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.support.nat import Nat, nat_in_thread
from tests.support.sdk_page import OpenPage, Seen
from tests.support.server_process import ServerProcess

INSIDE, OUTSIDE = "127.0.0.2", "127.0.0.1"
SETTINGS = {"ip": f"{INSIDE}/{OUTSIDE}"}


@pytest.fixture
def rebind(server: ServerProcess) -> Iterator[Callable[[], None]]:
    """Gives every page another port."""
    port = server.media_port
    with nat_in_thread(Nat((INSIDE, port), server=(OUTSIDE, port), outside=OUTSIDE)) as rebind:
        yield rebind


def test_pictures_and_sound_go_on_from_another_port(
    connected_page: OpenPage, server: ServerProcess, rebind: Callable[[], None]
) -> None:
    publisher, player = connected_page(), connected_page()
    publication, playback = publisher.published("news"), player.played("news")
    for _ in range(2):
        rebind()
        before = playback.measure()
        playback.wait_for_growth(before, framesDecoded=30, audioPackets=50, currentTime=1.0)
        publication.wait_for_growth(transportPackets=5)  # the server's feedback
    assert publication.history == [Seen("PUBLISHING")]
    assert playback.history[-1] == Seen("PLAYING")
    assert re.findall(r"^moved=(\d+)", httpx.get(server.http_url("/?action=stat")).text, re.MULTILINE) == ["4"]
