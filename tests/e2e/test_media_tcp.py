"""Pages that ask the SDK for `transport: "TCP"`: their media goes over ICE-TCP, in both browsers."""

import httpx

from tests.support.browsers.sdk_page import OpenPage
from tests.support.network import plain_http
from tests.support.servers.server_process import ServerProcess

TCP = {"transport": "TCP"}


def tcp_connections(server: ServerProcess) -> int:
    """How many there are; a browser may open one to each address of the server."""
    answer = plain_http.get(server.http_url("/?action=stat")).raise_for_status()
    pairs = dict(line.partition("=")[::2] for line in answer.text.splitlines())
    return int(pairs["tcp_connections"])


def test_chromium_publishes_and_plays_by_tcp(connected_page: OpenPage, server: ServerProcess) -> None:
    publisher, player, other = (connected_page() for _ in range(3))
    publisher.published("news", **TCP)
    player.play("news", **TCP).sees_and_hears()
    other.play("news").sees_and_hears()
    assert tcp_connections(server) >= 2
    assert server.terminate({"name": "news", "published": True}).status_code == httpx.codes.OK


def test_firefox_publishes_and_plays_by_tcp(
    open_firefox_page: OpenPage, connected_page: OpenPage, server: ServerProcess
) -> None:
    firefox, chromium = open_firefox_page(), connected_page()
    firefox.connect(server.ws_url())
    firefox.published("news", **TCP)
    firefox.play("news", **TCP).sees_and_hears()
    chromium.play("news").sees_and_hears()
    assert tcp_connections(server) >= 2
