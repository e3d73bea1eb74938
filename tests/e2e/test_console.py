"""The vendor's console, as it comes in the SDK's package: it polls statistics, and lists and ends streams by REST."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browsers.sdk_page import PATIENCE, SMALL_VIDEO, OpenPage
from tests.support.servers.server_process import ServerProcess, running_server

CONSOLE = "/sdk/examples/demo/streaming/console/console.html"


@pytest.fixture(scope="module")
def server(site: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that lets pages of the site call REST, as a console on another machine needs it."""
    settings = {"rest_access_control_allow_origin": site}
    with running_server(tmp_path_factory.mktemp("server"), settings) as server:
        yield server


@pytest.fixture
def console(browser: Browser, site: str) -> Iterator[tuple[Page, list[str]]]:
    """The console, and the errors that it has thrown."""
    with browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(site + CONSOLE)
        yield page, errors


def test_the_console_shows_the_server_and_its_streams_and_ends_one(
    console: tuple[Page, list[str]], connected_page: OpenPage, server: ServerProcess
) -> None:
    publisher, player = connected_page(), connected_page()
    news = publisher.published("news", video=SMALL_VIDEO)
    played = player.played("news")
    page, errors = console

    page.locator("#nodeIp").fill(server.http_url("").removeprefix("http://"))
    page.locator("#addNodeFormSubmit").click()

    figures = page.locator("#generalInfoTable tr td")
    expect(figures).to_have_text([re.compile(r"\d")] * 7)  # all of them have come
    cpu, memory, threads, *counts = figures.all_inner_texts()
    assert float(cpu) >= 0
    assert int(memory) > 0
    assert int(threads) >= 1
    assert counts == ["2", "2", "1", "1"]  # connections, those by WebSocket, streams in and out

    page.locator("#nodes button").click()
    rows = page.locator("#streamsTableBody tr")
    expect(rows).to_have_count(2)
    row = rows.filter(has_text=news.id)
    expect(row.locator("td").nth(0)).to_have_text("news")
    expect(row).to_contain_text("PUBLISHING")
    expect(rows.filter(has_text=played.id)).to_contain_text("OUT")

    row.get_by_role("button", name="TERMINATE").click()
    news.wait_for("FAILED", "Stopped by rest /terminate")
    played.wait_for("FAILED", "Stopped by publisher stop")
    expect(rows).to_have_count(0)
    expect(figures.nth(5)).to_have_text("0")
    assert errors == []
