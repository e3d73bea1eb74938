"""The player that other sites show in frames, on the public listener, in Chromium."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Frame, Page, expect

from tests.support.browsers.sdk_page import PATIENCE, OpenPage
from tests.support.capture.rtsp_source import make_media, rtsp_source
from tests.support.network import plain_http
from tests.support.servers.server_process import ServerProcess

SETTINGS = {"public.address": "127.0.0.1", "public.port": 0, "capture.allow": "127.0.0.1", "capture.linger": 50}
WILD = {"urlServer": "", "mediaProviders": "WebRTC,Flash,MSE,WSPlayer", "unknown": "1"}


NOTE_STATUSES = """addEventListener("DOMContentLoaded", () => {
  const status = document.getElementById("status");
  if (status === null) return;
  window.shown = [status.textContent];
  new MutationObserver(() => shown.push(status.textContent)).observe(status, {childList: true});
})"""


@pytest.fixture
def page(browser: Browser, emptied_server: None) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    context.add_init_script(NOTE_STATUSES)
    yield context.new_page()
    context.close()


def url(server: ServerProcess, **parameters: str) -> str:
    (address,) = server.addresses["public"]
    return f"http://{address.as_seen_by_client(None)}/embed_player?{urlencode(WILD | parameters)}"


def moves(player: Page | Frame) -> None:
    """Wait until the picture has moved on."""
    player.wait_for_function("() => document.querySelector('video').videoWidth > 0")
    before = player.evaluate("() => document.querySelector('video').currentTime")
    player.wait_for_function("(before) => document.querySelector('video').currentTime > before + 0.2", arg=before)


def state(player: Page, wanted: str) -> None:
    expect(player.locator("#player")).to_have_attribute("data-state", wanted)


def has_shown(player: Page, text: str) -> None:
    """Wait until the player has shown this status, which may be gone again: it tries anew after some seconds."""
    player.wait_for_function("(text) => shown.some((status) => status.startsWith(text))", arg=text)


def test_it_plays_muted_by_itself_and_sounds_stops_and_starts_by_clicks(
    page: Page, connected_page: OpenPage, server: ServerProcess
) -> None:
    connected_page().published("news")
    page.goto(url(server, streamName="news", autoplay="true", skin="dark", resolution="320x240"))
    state(page, "playing")
    moves(page)
    expect(page.locator("#status")).to_have_text("PLAYING")
    expect(page.locator("#play")).to_be_hidden()

    page.locator("#sound").click()
    expect(page.locator("#sound")).to_be_hidden()
    assert page.evaluate("() => document.querySelector('video').muted") is False

    page.evaluate("() => document.querySelector('video').pause()")  # as its own controls do
    state(page, "idle")
    server.wait_until(lambda: not server.streams(published=False), what="the play has ended")

    page.locator("#play").click()
    state(page, "playing")
    moves(page)
    assert page.evaluate("() => document.querySelector('video').muted") is False


def test_it_waits_for_a_stream_that_is_not_there_and_comes_back_when_it_is(
    page: Page, connected_page: OpenPage, server: ServerProcess
) -> None:
    page.goto(url(server, streamName="late", autoplay="1"))
    has_shown(page, "FAILED: Session does not exist")
    publication = connected_page().published("late")
    state(page, "playing")
    publication.stop()
    has_shown(page, "FAILED: Stopped by publisher stop")
    connected_page().published("late")
    state(page, "playing")
    moves(page)


def test_another_site_shows_it_in_a_frame(
    page: Page, site: str, connected_page: OpenPage, server: ServerProcess
) -> None:
    connected_page().published("news")
    page.goto(f"{site}/room.html".replace("127.0.0.1", "localhost"))
    page.evaluate(
        """(url) => {
            const frame = document.createElement("iframe");
            frame.id = "fp_embed_player";
            frame.src = url;
            document.body.append(frame);
        }""",
        url(server, streamName="news", urlServer=server.ws_url()),
    )
    frame = page.frame_locator("#fp_embed_player")
    frame.locator("#play").click()
    expect(frame.locator("#status")).to_have_text("PLAYING")


def test_without_a_name_it_says_so(page: Page, server: ServerProcess) -> None:
    page.goto(url(server))
    expect(page.locator("#status")).to_have_text("No stream is named: streamName is missing.")
    expect(page.locator("#play")).to_be_disabled()


def test_it_shows_a_camera_by_its_name_and_by_its_address(page: Page, server: ServerProcess, tmp_path: Path) -> None:
    with rtsp_source(make_media(tmp_path / "cam.mkv", seconds=60), user="admin", password="s+cret") as camera:
        source = {"name": "lobby", "uri": camera.url}
        plain_http.post(server.http_url("/rest-api/source/add"), json=source).raise_for_status()
        page.goto(url(server, streamName="lobby", autoplay="true"))
        state(page, "playing")
        moves(page)
        assert page.title() == "lobby"
        assert server.streams(published=True)[0]["name"] == "lobby"

        page.goto(f"{url(server, autoplay='true')}&streamName={camera.url}")  # as it is, with its plus, as pages do
        state(page, "playing")
        moves(page)
        assert page.title() == "Player"
    plain_http.post(server.http_url("/rest-api/source/remove"), json={"name": "lobby"}).raise_for_status()
