"""The pages that the README and two guides show whole, opened in Chromium as they stand there."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from tests.support.browsers.sdk_page import PATIENCE
from tests.support.browsers.site import SDKS, serving_folder
from tests.support.servers.server_process import ROOT, ServerProcess

PAGE = re.compile(r"^<!doctype html>\n.*?^</script>\n", re.MULTILINE | re.DOTALL)
WHERE = "ws://127.0.0.1:8080"
GUIDES = {"tour": "README.md", "viewer": "docs/pages.md", "room": "docs/rooms.md"}

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def guides(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a site with the only page of each guide, which connects to the module's server, and the SDK."""
    folder = tmp_path_factory.mktemp("guides")
    for name, guide in GUIDES.items():
        (page,) = PAGE.findall((ROOT / guide).read_text())
        assert page.count(WHERE) == 1
        (folder / f"{name}.html").write_text(page.replace(WHERE, server.ws_url()))
    (folder / "blank.html").write_text("<!doctype html>")
    sdk = folder / "node_modules/@flashphoner/websdk"
    sdk.parent.mkdir(parents=True)
    sdk.symlink_to(SDKS["sdk"])
    with serving_folder(folder) as address:
        yield address


@pytest.fixture
def visit(browser: Browser, guides: str) -> Iterator[Open]:
    """Opens a page in a profile of its own; `answer` is what it is told when it asks."""
    with ExitStack() as opened:

        def visit(name: str, answer: str = "") -> Page:
            context = browser.new_context()
            opened.callback(context.close)
            page = context.new_page()

            def reply(dialog: Dialog) -> None:
                dialog.accept(answer)

            page.on("dialog", reply)
            page.goto(f"{guides}/{name}.html")
            return page

        yield visit


def expect_picture(page: Page, where: str) -> None:
    """A video in there has a picture."""
    page.wait_for_function(
        "(where) => [...document.querySelectorAll(`${where} video`)].some((video) => video.videoWidth > 0)",
        arg=where,
        timeout=PATIENCE,
    )


def test_the_page_of_the_readme_publishes_and_plays(visit: Open) -> None:
    page = visit("tour")
    expect(page.locator("#says")).to_have_text("playing", timeout=PATIENCE)
    expect_picture(page, "#theirs")


def test_the_viewer_waits_for_its_stream_and_comes_back(visit: Open) -> None:
    viewer = visit("viewer")
    says = viewer.locator("#says")
    expect(says).to_have_text("Session does not exist", timeout=PATIENCE)
    for _ in range(2):
        publisher = visit("tour")
        expect(says).to_have_text("playing", timeout=PATIENCE)
        expect_picture(viewer, "#theirs")
        publisher.context.close()
        expect(says).not_to_have_text("playing", timeout=PATIENCE)


def test_the_lines_of_the_whip_guide_publish_without_the_sdk(visit: Open, server: ServerProcess) -> None:
    (lines,) = re.findall(r"^```js\n(.*?)^```$", (ROOT / "docs/whip.md").read_text(), re.MULTILINE | re.DOTALL)
    assert "https://HOST:8444/whip/NAME" in lines
    lines = lines.replace("https://HOST:8444", server.http_url("")).replace("NAME", "room2")
    viewer, publisher = visit("viewer"), visit("blank")
    publisher.evaluate(f"async () => {{ {lines} window.session = session; }}")
    expect(viewer.locator("#says")).to_have_text("playing", timeout=PATIENCE)
    expect_picture(viewer, "#theirs")
    headers = {"Authorization": "Bearer TOKEN"}
    ended = publisher.evaluate("async (headers) => (await fetch(session, {method: 'DELETE', headers})).status", headers)
    assert ended == 200
    expect(viewer.locator("#says")).not_to_have_text("playing", timeout=PATIENCE)


@pytest.mark.slow
def test_two_of_the_rooms_guide_see_each_other(visit: Open) -> None:
    ann = visit("room", "ann")
    expect_picture(ann, "#mine")
    ben = visit("room", "ben")
    expect_picture(ben, "#others")
    expect_picture(ann, "#others")
