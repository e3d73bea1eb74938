"""The pages that the README and the guide to rooms show whole, opened in Chromium as they stand there."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Dialog, Page, Route, expect

from tests.e2e.conftest import SDKS
from tests.support.browsers.sdk_page import PATIENCE
from tests.support.servers.server_process import ROOT, ServerProcess

SITE = "http://localhost:8000"
SDK_PATH = "/node_modules/@flashphoner/websdk/"
PAGE = re.compile(r"^<!doctype html>\n.*?^</script>\n", re.MULTILINE | re.DOTALL)


def page_of(guide: str, server: ServerProcess) -> str:
    """The only page of a guide, which connects to this server."""
    (page,) = PAGE.findall((ROOT / guide).read_text())
    assert "ws://127.0.0.1:8080" in page
    return page.replace("ws://127.0.0.1:8080", server.ws_url())


@contextmanager
def opened(browser: Browser, html: str, answer: str = "") -> Iterator[Page]:
    """The page in a profile of its own; `answer` is what it is told when it asks."""

    def serve(route: Route) -> None:
        path = urlsplit(route.request.url).path
        if path.startswith(SDK_PATH):
            route.fulfill(path=Path(SDKS["sdk"]) / path.removeprefix(SDK_PATH))
        else:
            route.fulfill(body=html, content_type="text/html")

    def reply(dialog: Dialog) -> None:
        dialog.accept(answer)

    context = browser.new_context()
    try:
        context.route(f"{SITE}/**", serve)
        page = context.new_page()
        page.on("dialog", reply)
        page.goto(f"{SITE}/")
        yield page
    finally:
        context.close()


def expect_picture(page: Page, where: str) -> None:
    """A video in there has a picture."""
    page.wait_for_function(
        "(where) => [...document.querySelectorAll(`${where} video`)].some((video) => video.videoWidth > 0)",
        arg=where,
        timeout=PATIENCE,
    )


def test_the_page_of_the_readme_publishes_and_plays(browser: Browser, server: ServerProcess) -> None:
    with opened(browser, page_of("README.md", server)) as page:
        expect(page.locator("#says")).to_have_text("playing", timeout=PATIENCE)
        expect_picture(page, "#theirs")


@pytest.mark.slow
def test_two_of_the_rooms_guide_see_each_other(browser: Browser, server: ServerProcess) -> None:
    html = page_of("docs/rooms.md", server)
    with opened(browser, html, "ann") as ann:
        expect_picture(ann, "#mine")
        with opened(browser, html, "ben") as ben:
            expect_picture(ben, "#others")
            expect_picture(ann, "#others")
