"""Logging in to the start page in a real browser: the form, the one-time link, roles, and the way out."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browsers.sdk_page import OpenPage
from tests.support.browsers.start_page import StartPage
from tests.support.servers.server_process import ServerProcess, running_server
from tests.support.web.access import basic

EXPECTED = "the server responded with a status of 401"
"""Chromium reports each refused request as an error of the page."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that wants to know who uses it."""
    with running_server(tmp_path_factory.mktemp("closed"), {"rest.auth": "required"}) as running:
        running.operate("add", "user", "viewer", "look-only", "--role", "view")
        running.operate("add", "user", "admin", "s3cret", "--role", "admin")
        running.headers["Authorization"] = basic("admin", "s3cret")
        yield running


@pytest.fixture
def page(browser: Browser, server: ServerProcess) -> Iterator[StartPage]:
    """A start page in a new profile. At the end, nothing was wrong with it but refused logins."""
    context = browser.new_context()
    opened = StartPage(context.new_page(), server.http_url())
    yield opened
    context.close()
    assert [error for error in opened.errors if EXPECTED not in error] == []
    assert opened.foreign == []


def log_in(page: Page, user: str, password: str) -> None:
    page.get_by_label("User").fill(user)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def link_of(server: ServerProcess, *options: str) -> str:
    link: str = json.loads(server.operate("--json", "console", *options))["rows"][0]["link"]
    return link


def test_the_form_lets_in_who_knows_the_password(page: StartPage, server: ServerProcess) -> None:
    form = page.page.get_by_role("region", name="Log in")
    page.page.goto(page.address)
    expect(form).to_be_visible()
    expect(page.publisher.region).to_be_hidden()
    log_in(page.page, "admin", "wrong")
    expect(form.get_by_role("alert")).to_have_text("Wrong user or password.")
    log_in(page.page, "admin", "s3cret")
    expect(page.page.locator("#pulse")).to_have_text("Live")
    expect(page.page.get_by_text("admin (admin)")).to_be_visible()
    expect(form).to_be_hidden()

    page.page.reload()
    expect(page.page.locator("#pulse")).to_have_text("Live")
    expect(form).to_be_hidden()

    page.page.get_by_role("button", name="Log out").click()
    expect(form.get_by_role("alert")).to_have_text("You have logged out.")
    expect(page.publisher.region).to_be_hidden()
    assert page.page.evaluate("sessionStorage.length") == 0
    assert "s3cret" not in server.log() + (server.state / "audit.jsonl").read_text()


def test_the_link_of_the_console_works_once_and_leaves_the_address_bar(
    page: StartPage, server: ServerProcess, connected_page: OpenPage
) -> None:
    link = link_of(server)
    page.page.goto(link)
    expect(page.page.locator("#pulse")).to_have_text("Live")
    assert page.page.url == page.address
    expect(page.page.get_by_text("console (operate)")).to_be_visible()

    connected_page().published("news")
    page.stream("news", "publish").get_by_role("button", name="Terminate publish news").click()
    page.answer("Terminate 1 stream")
    expect(page.notice).to_contain_text("1 stream terminated.")

    page.page.get_by_role("button", name="Log out").click()
    page.page.goto("about:blank")
    page.page.goto(link)
    expect(page.page.get_by_role("alert").filter(has_text="has been used or has expired")).to_be_visible()
    assert page.page.url == page.address
    assert link.partition("#login=")[2] not in server.log() + (server.state / "audit.jsonl").read_text()


def test_a_role_that_only_looks_is_offered_nothing_else(
    page: StartPage, server: ServerProcess, connected_page: OpenPage
) -> None:
    publisher = connected_page()
    publisher.published("news")
    page.page.goto(page.address)
    log_in(page.page, "viewer", "look-only")
    row = page.stream("news", "publish")
    expect(row.get_by_role("button", name="Watch news")).to_be_visible()
    expect(row.get_by_role("button", name="Terminate publish news")).to_be_hidden()
    expect(page.filter_form.get_by_role("button", name="Show what matches")).to_be_disabled()
    expect(page.filter_form).to_contain_text("Terminating needs the role operate; you have view.")


def test_a_page_whose_user_is_removed_has_to_log_in_again(page: StartPage, server: ServerProcess) -> None:
    server.operate("add", "user", "guest", "hello", "--role", "view")
    page.page.goto(page.address)
    log_in(page.page, "guest", "hello")
    expect(page.page.locator("#pulse")).to_have_text("Live")
    server.operate("remove", "user", "guest")
    expect(page.page.get_by_role("alert").filter(has_text="Your login has expired. Log in again.")).to_be_visible()
