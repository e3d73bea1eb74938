"""The tabs of the start page have addresses, and what they show fits the screens that most people have."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browsers.start_page import OpenStartPage, StartPage, start_pages
from tests.support.servers.server_process import ServerProcess

INSIDE = """(tab) => {
  const [inner, outer] = [tab, tab.parentElement].map((each) => each.getBoundingClientRect());
  return inner.left >= outer.left - 1 && inner.right <= outer.right + 1;
}"""
LINES = """(node) => {
  const range = document.createRange();
  range.selectNodeContents(node);
  return new Set([...range.getClientRects()].map((rect) => Math.round(rect.top))).size;
}"""
"""On how many lines the text of a node is."""


@pytest.fixture
def start_page(browser: Browser, server: ServerProcess) -> Iterator[OpenStartPage]:
    with start_pages(browser, server) as open_one:
        yield open_one


def go(page: StartPage, end: str) -> None:
    """What somebody does who changes the end of the address."""
    page.page.evaluate("(hash) => { location.hash = hash; }", end)


def test_the_address_of_a_tab_leads_there_in_an_open_page_too(start_page: OpenStartPage) -> None:
    page = start_page()
    for end, tab in (("#hooks", "hooks"), ("#settings", "settings"), ("#nothing", "streams")):
        go(page, end)
        expect(page.page.locator(f"#{tab}-tab")).to_have_attribute("aria-selected", "true")
        expect(page.page.locator(f"#{tab}-panel")).to_be_visible()
    assert page.page.url == page.address


@pytest.mark.parametrize("tab", ["rooms", "apps", "try"])
def test_on_a_phone_the_chosen_tab_is_seen_whole(start_page: OpenStartPage, tab: str) -> None:
    page = start_page(viewport={"width": 390, "height": 844})
    page.page.goto("about:blank")
    page.page.goto(f"{page.address}#{tab}")
    expect(page.page.locator("#pulse")).to_have_text("Live")
    chosen = page.page.locator(f"#{tab}-tab")
    expect(chosen).to_have_attribute("aria-selected", "true")
    assert chosen.evaluate(INSIDE)


def test_names_of_applications_stay_whole(start_page: OpenStartPage) -> None:
    page = start_page(viewport={"width": 1280, "height": 800})
    go(page, "#apps")
    names = page.page.locator("#apps td.who .name")
    expect(names).to_have_count(2)
    assert [names.nth(place).evaluate(LINES) for place in range(2)] == [1, 1]
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_a_long_name_takes_a_few_lines_of_the_table_and_is_whole_in_the_details(start_page: OpenStartPage) -> None:
    page = start_page(viewport={"width": 1280, "height": 800})
    name = "x" * 250
    page.publisher.run(name, "PUBLISHING")
    expect(page.streams).to_have_count(1)
    box = page.streams.bounding_box()
    assert box is not None
    assert box["height"] < 250
    page.streams.get_by_role("button", name=name, exact=True).click()
    expect(page.page.locator("#details")).to_contain_text(name)
