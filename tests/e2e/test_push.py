"""The SDK's page that republishes by RTMP, as it is in its package, to an RTMP server that others wrote."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browsers.sdk_page import PATIENCE
from tests.support.network import plain_http
from tests.support.servers.server_process import ServerProcess
from tests.support.workers.flv_reader import until_written
from tests.support.workers.rtmp_server import RtmpServer, rtmp_server

PAGE = "/sdk/examples/demo/streaming/webrtc-as-rtmp-republishing/webrtc-as-rtmp-republishing.html"
SETTINGS = {"push.allow": "127.0.0.1"}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtmpServer]:
    with rtmp_server(tmp_path_factory.mktemp("target")) as server:
        yield server


@pytest.fixture
def page(browser: Browser, site: str, server: ServerProcess, emptied_server: None) -> Iterator[Page]:
    """The page, which is told where the server is. It may not throw an error."""
    errors: list[str] = []
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(site + PAGE)
    page.locator("#url").fill(server.ws_url())
    page.locator("#streamName").fill("news")
    yield page
    context.close()
    assert errors == []


def shows(page: Page, status: str) -> None:
    expect(page.locator("#status")).to_have_text(status)


def test_the_page_republishes_to_an_rtmp_server(page: Page, server: ServerProcess, target: RtmpServer) -> None:
    page.locator("#rtmpUrl").fill(target.url)
    page.locator("#publishBtn").click()
    shows(page, "PUBLISHING")
    expect(page.locator("#player")).to_have_text(f"{target.url}/rtmp_news")
    (push,) = plain_http.post(server.http_url("/rest-api/push/find_all")).json()
    assert (push["streamName"], push["rtmpUrl"]) == ("rtmp_news", target.url)

    heard = until_written(target.recorded("rtmp_news"), 30)
    assert heard.codecs == {"video": "h264", "audio": "aac"}

    page.locator("#publishBtn").click()
    shows(page, "UNPUBLISHED")
    assert plain_http.post(server.http_url("/rest-api/push/find_all")).status_code == 404


def test_a_target_that_refuses_fails_the_stream(page: Page, target: RtmpServer) -> None:
    page.locator("#rtmpUrl").fill(target.refusing_url)
    page.locator("#publishBtn").click()
    shows(page, "FAILED")
