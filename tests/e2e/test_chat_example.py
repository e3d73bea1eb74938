"""The chat of `docs/examples`: its backend, run as its first lines say, and its page in Chromium."""

import base64
import hashlib
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.browsers.sdk_page import PATIENCE
from tests.support.browsers.site import SDKS
from tests.support.network import plain_http
from tests.support.servers.server_process import ROOT, ServerProcess

PROGRAM = ROOT / "docs/examples/chat_backend.py"
SDK = SDKS["sdk"] / "flashphoner.js"
KEPT_LINES = 50


@pytest.fixture
def chat(server: ServerProcess) -> Iterator[str]:
    """The running example, set up by the very command that it names; the address of its page."""
    (command,) = re.findall("^    bin/wcs (.+)$", PROGRAM.read_text(), re.MULTILINE)
    where = [f"--rest={server.http_url('').removeprefix('http://')}", f"--server={server.ws_url()}", f"--sdk={SDK}"]
    with subprocess.Popen(
        [sys.executable, str(PROGRAM), "--port=0", *where], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            address = process.stdout.readline().split()[1]
            server.operate(*shlex.split(command.replace("http://localhost:8091/", address)))
            yield address
        finally:
            process.terminate()


@pytest.fixture
def visit(browser: Browser, chat: str) -> Iterator[Callable[[str], Page]]:
    """Opens the chat's page in a browser of its own, and joins under a name."""
    contexts: list[BrowserContext] = []

    def visit_as(name: str) -> Page:
        contexts.append(browser.new_context())
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(chat)
        page.get_by_label("Your name").fill(name)
        page.get_by_role("button", name="Join").click()
        return page

    yield visit_as
    for context in contexts:
        context.close()


def say(page: Page, text: str) -> None:
    page.get_by_label("Text").fill(text)
    page.get_by_role("button", name="Send").click()


def expect_lines(page: Page, *lines: str) -> None:
    expect(page.get_by_role("listitem")).to_have_text(list(lines))


def test_a_chat_reaches_all_hides_words_and_keeps_lines_for_late_joiners(visit: Callable[[str], Page]) -> None:
    anna, ben = visit("Anna"), visit("Ben")
    say(anna, "Grüße, <b>alle</b>!")
    for page in (anna, ben):
        expect_lines(page, "AnnaGrüße, <b>alle</b>!")
    say(ben, "Darn it")
    for page in (anna, ben):
        expect_lines(page, "AnnaGrüße, <b>alle</b>!", "Ben**** it")
    expect(ben.get_by_role("status")).to_have_text("Some words were hidden")
    expect(anna.get_by_role("status")).to_be_empty()
    carol = visit("Carol")
    expect_lines(carol, "AnnaGrüße, <b>alle</b>!", "Ben**** it")
    say(carol, "Hello")
    for page in (anna, ben, carol):
        expect(page.get_by_role("listitem").last).to_have_text("CarolHello")


def test_a_late_joiner_gets_the_last_lines_and_a_text_that_is_too_long_is_refused(
    visit: Callable[[str], Page],
) -> None:
    anna = visit("Anna")
    expect(anna.get_by_label("Text")).to_be_visible()
    anna.evaluate(
        "(count) => Promise.all([...Array(count).keys()].map((n) => session.sendData({ text: `line ${n}` })))",
        KEPT_LINES + 5,
    )
    expect_lines(visit("Ben"), *(f"Annaline {number}" for number in range(5, KEPT_LINES + 5)))
    refusal = anna.evaluate('session.sendData({ text: "x".repeat(2001) }).catch(({ info }) => info)')
    assert refusal == "A text has 1 to 2000 characters"


def test_a_name_that_is_none_is_refused(visit: Callable[[str], Page]) -> None:
    page = visit("  ")
    expect(page.get_by_role("status")).to_have_text("Say who you are, in 40 characters at most")
    expect(page.get_by_label("Your name")).to_be_visible()


def test_the_page_loads_the_sdk_that_it_was_tested_with() -> None:
    digest = base64.b64encode(hashlib.sha384(SDK.read_bytes()).digest()).decode()
    assert f'integrity="sha384-{digest}"' in PROGRAM.with_name("chat.html").read_text()


def test_what_is_no_file_of_the_chat_is_404(chat: str) -> None:
    assert plain_http.get(f"{chat}etc/passwd").status_code == 404
