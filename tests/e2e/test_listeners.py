"""How pages reach the server: TLS, IPv6, and who is refused."""

from pathlib import Path

from tests.support.browsers.sdk_page import OpenPage
from tests.support.servers.server_process import ServerProcess, running_server


def test_pages_connect_over_tls_with_the_certificate_that_the_server_made(
    open_page: OpenPage, server: ServerProcess
) -> None:
    publisher, player = open_page(), open_page()
    for page in (publisher, player):
        page.connect(server.wss_url())
    publisher.published("news")
    player.play("news").sees_and_hears()


def test_pages_of_both_listeners_share_the_streams(open_page: OpenPage, server: ServerProcess) -> None:
    publisher, player = open_page(), open_page()
    publisher.connect(server.wss_url())
    player.connect(server.ws_url())
    publisher.published("news")
    player.played("news")


def test_signalling_media_and_rest_work_over_ipv6_alone(open_page: OpenPage, tmp_path: Path) -> None:
    settings = dict.fromkeys(("ws.address", "wss.address", "http.address", "https.address", "ip", "ip_local"), "::1")
    with running_server(tmp_path, settings) as server:
        assert {address.host for listener in server.addresses.values() for address in listener} == {"::1"}
        publisher, player = open_page(), open_page()
        publisher.connect(server.ws_url())
        player.connect(server.wss_url())
        publication = publisher.published("news")
        measured = player.played("news").measure()
        assert measured["remoteAddress"] == "::1"
        assert server.terminate({"name": "news", "published": True}).is_success
        publication.wait_for("FAILED", "Stopped by rest /terminate")


def test_a_page_that_asks_a_load_balancer_is_sent_to_this_server(open_page: OpenPage, server: ServerProcess) -> None:
    page = open_page()
    lost = "ws://192.0.2.1:1"  # the balancer's answer counts, and its scheme
    page.connect(lost, lbUrl=server.http_url("/rest-api/lb?name=news&role=publish"))
    page.published("news")


def test_media_works_over_ipv4_loopback_alone(open_page: OpenPage, tmp_path: Path) -> None:
    with running_server(tmp_path, {"ip": "127.0.0.1", "ip_local": "127.0.0.1"}) as server:
        publisher, player = open_page(), open_page()
        publisher.connect(server.ws_url())
        player.connect(server.ws_url())
        publisher.published("news")
        assert player.played("news").measure()["remoteAddress"] == "127.0.0.1"


def test_an_unknown_application_is_refused(open_page: OpenPage, server: ServerProcess) -> None:
    page = open_page()
    page.begin_session(server.ws_url(), appKey="nobodysApp")
    page.wait_for_session("DISCONNECTED")
    assert page.session_history == ["CONNECTED", "DISCONNECTED"]
    (refusal,) = page.warnings
    assert (refusal["apiMethod"], refusal["status"]) == ("ConnectionStatusEvent", "FAILED")
    assert refusal["info"]


def test_a_page_of_a_foreign_origin_is_refused(open_page: OpenPage, tmp_path: Path) -> None:
    with running_server(tmp_path, {"ws.allowed_origins": "https://example.com"}) as server:
        page = open_page()
        page.begin_session(server.ws_url())
        page.wait_for_session("FAILED")
        assert server.connections() == []
