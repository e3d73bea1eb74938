"""Kicked with a reason and kept out for a while, as a page with the unmodified SDK sees it."""

from collections.abc import Iterator

import pytest
from httpx import codes

from tests.support.browsers.sdk_page import OpenPage
from tests.support.servers.server_process import ServerProcess


def no_ban_is_left(server: ServerProcess) -> bool:
    return server.post("/bans/find_all", {}).status_code == codes.NOT_FOUND


@pytest.fixture(autouse=True)
def lifted_bans(server: ServerProcess) -> Iterator[None]:
    """Bans of one test must not concern the next, which has the same server."""
    yield
    server.post("/bans/remove", {"appKey": "defaultApp"})


def ban_publisher(server: ServerProcess, time: str) -> None:
    """End its stream, with a ban for so long."""
    answer = server.post(f"/stream/terminate?reason=Too%20loud&ban={time}", {"name": "news", "published": True})
    assert (answer.status_code, answer.headers["x-banned-count"]) == (codes.OK, "1")


def test_a_page_sees_the_reason_is_kept_out_and_let_in_when_the_ban_is_over(
    connected_page: OpenPage, server: ServerProcess
) -> None:
    publisher, player = connected_page(), connected_page()
    publication, playback = publisher.published("news", audio=False), player.play("news")
    playback.wait_for("PLAYING")
    ban_publisher(server, "10m")
    publication.wait_for("FAILED", "Too loud")
    playback.wait_for("FAILED", "Stopped by publisher stop")
    again = publisher.publish("news", audio=False)
    again.wait_for_end()
    status, info = again.history[-1].status, again.history[-1].info
    assert status == "FAILED"
    assert info is not None
    assert info.startswith("Banned for another ")
    assert info.endswith(" s: Too loud")

    assert server.post("/bans/remove", {"appKey": "defaultApp"}).status_code == codes.OK
    publisher.published("news", audio=False)
    ban_publisher(server, "1s")
    server.wait_until(lambda: no_ban_is_left(server), what="the ban is over")
    publisher.published("news", audio=False)


@pytest.mark.parametrize("sdk", ["sdk", "sdk-2.0.180"])
def test_a_kicked_user_is_told_why_disconnected_and_not_let_in_again(
    open_page: OpenPage, server: ServerProcess, ws_url: str, sdk: str
) -> None:
    page, other = open_page(sdk), open_page(sdk)
    page.connect(ws_url, custom={"login": "alice"})
    other.connect(ws_url, custom={"login": "bob"})
    publication = page.published("news", audio=False)
    (stream,) = server.streams()

    answer = server.post("/connection/terminate?reason=House%20rules&ban=10m", {"sessionId": stream["sessionId"]})

    assert (answer.status_code, answer.headers["x-banned-count"]) == (codes.OK, "1")
    assert page.wait_for_warning()["info"] == "House rules"
    publication.wait_for("FAILED", "House rules")
    page.wait_for_session("DISCONNECTED")
    again = open_page(sdk)
    again.begin_session(ws_url, custom={"login": "alice"})
    assert again.wait_for_warning()["info"].endswith("s: House rules")
    again.wait_for_session("DISCONNECTED")  # all that this SDK makes of a refused connection
    assert "ESTABLISHED" not in again.session_history
    other.published("sport", audio=False)
    assert server.post("/bans/remove", {"who": "user:alice"}).status_code == codes.OK
    free = open_page(sdk)
    free.connect(ws_url, custom={"login": "alice"})
