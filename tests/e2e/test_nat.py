"""Browsers behind a NAT that gives them another port in the middle of a stream."""

import re
from collections.abc import Callable, Iterator

import httpx
import pytest

from actors.net.network_interfaces import machine_addresses
from tests.support.nat import Nat, nat_in_thread
from tests.support.sdk_page import OpenPage, Seen
from tests.support.server_process import ServerProcess

INSIDE = machine_addresses()[0]
"""The NAT stands there on both sides: Firefox goes to no loopback address, and believes no answer that names one."""
SERVER = "::1" if ":" in INSIDE else "127.0.0.1"
SETTINGS = {"ip": f"{INSIDE}/{SERVER}", "ice_keep_alive_timeout": 10_000}


@pytest.fixture
def rebind(server: ServerProcess) -> Iterator[Callable[[], None]]:
    """Gives every page another port."""
    port = server.media_port
    with nat_in_thread(Nat((INSIDE, port), server=(SERVER, port), outside=INSIDE)) as rebind:
        yield rebind


def moves(server: ServerProcess) -> int:
    """How often media went on by another path, by the server's statistics."""
    found = re.search(r"^moved=(\d+)", httpx.get(server.http_url("/?action=stat")).text, re.MULTILINE)
    assert found
    return int(found[1])


@pytest.mark.parametrize(
    ("publishing", "playing"), [("chromium", "chromium"), ("firefox", "chromium"), ("chromium", "firefox")]
)
def test_pictures_and_sound_go_on_from_another_port(
    connected_pages: dict[str, OpenPage],
    server: ServerProcess,
    rebind: Callable[[], None],
    publishing: str,
    playing: str,
) -> None:
    """Within the time after which a silent path is the end of its stream."""
    publisher, player = connected_pages[publishing](), connected_pages[playing]()
    publication, playback = publisher.published("news"), player.played("news")
    moves_before = moves(server)
    for _ in range(2):
        rebind()
        before, told = playback.measure(), publication.measure()
        playback.wait_for_growth(before, framesDecoded=15, audioPackets=25, currentTime=0.5)
        publication.wait_for_growth(told, reportedAt=1000)  # the server's feedback
    assert moves(server) >= moves_before + 4
    assert publication.history == [Seen("PUBLISHING")]
    assert playback.history[-1] == Seen("PLAYING")
