"""One browser of each kind for all, one server for each module; each test loads its pages anew."""

import contextlib
from collections.abc import Generator, Iterator

import playwright.sync_api
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.browsers.chromium import CHROMIUM, FLAGS
from tests.support.browsers.firefox import Firefox, FirefoxError, FirefoxPage, running_firefox
from tests.support.browsers.sdk_page import PATIENCE, OpenPage, SdkPage
from tests.support.browsers.site import serving_site
from tests.support.browsers.tabs import Tabs
from tests.support.servers.server_process import ServerProcess, running_server

expect.set_options(timeout=PATIENCE)

pages_key = pytest.StashKey[list[SdkPage]]()


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """The address of the site for all pages."""
    with serving_site() as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium with an invented camera and microphone, and a new, empty profile."""
    with sync_playwright() as runner:
        browser = runner.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS, timeout=PATIENCE)
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture(scope="session")
def tabs(browser: Browser, site: str) -> Tabs:
    """Those of Chromium."""
    return Tabs(browser, site)


@pytest.fixture(scope="session")
def firefox() -> Iterator[Firefox]:
    """Firefox with an invented camera and microphone, and a new, empty profile."""
    with running_firefox("node") as firefox:
        yield firefox


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server for the module, with its `SETTINGS` if it has any."""
    settings = getattr(request.module, "SETTINGS", None)
    with running_server(tmp_path_factory.mktemp("server"), settings) as server:
        yield server


@pytest.fixture
def emptied_server(request: pytest.FixtureRequest) -> Iterator[None]:
    """The module's server, if there is one, must be empty when all pages are closed."""
    yield
    if "server" in request.fixturenames:
        server: ServerProcess = request.getfixturevalue("server")
        server.wait_until_empty()


@pytest.fixture
def open_page(tabs: Tabs, site: str, request: pytest.FixtureRequest, emptied_server: None) -> Iterator[OpenPage]:
    """Opens pages of Chromium that have loaded the SDK. They end with the test."""
    taken: list[Page] = []
    pages: list[SdkPage] = request.node.stash.setdefault(pages_key, [])

    def open_one(sdk: str = "sdk") -> SdkPage:
        console: list[str] = []
        taken.append(tabs.take(lambda error: console.append(f"ERROR {error}"), console.append))
        pages.append(SdkPage(taken[-1], console))
        taken[-1].goto(f"{site}/sdk.html?{sdk}")
        return pages[-1]

    yield open_one
    for tab in taken:
        tabs.give_back(tab)


@pytest.fixture
def open_firefox_page(
    firefox: Firefox, site: str, request: pytest.FixtureRequest, emptied_server: None
) -> Iterator[OpenPage]:
    """Opens pages of Firefox that have loaded the SDK. They are closed at the end of the test."""
    tabs: list[FirefoxPage] = []
    pages: list[SdkPage] = request.node.stash.setdefault(pages_key, [])

    def open_one(sdk: str = "sdk") -> SdkPage:
        console: list[str] = []
        tabs.append(firefox.open(console.append))
        pages.append(SdkPage(tabs[-1], console))
        tabs[-1].goto(f"{site}/sdk.html?{sdk}")
        return pages[-1]

    yield open_one
    for tab in tabs:
        tab.close()


@pytest.fixture
def ws_url(server: ServerProcess) -> str:
    """Where pages connect to."""
    return server.ws_url()


@pytest.fixture
def connected_page(open_page: OpenPage, ws_url: str) -> OpenPage:
    """Opens pages of Chromium that have an established session."""

    def open_one(sdk: str = "sdk") -> SdkPage:
        page = open_page(sdk)
        page.connect(ws_url)
        return page

    return open_one


@pytest.fixture
def connected_firefox_page(open_firefox_page: OpenPage, ws_url: str) -> OpenPage:
    """Opens pages of Firefox that have an established session."""

    def open_one(sdk: str = "sdk") -> SdkPage:
        page = open_firefox_page(sdk)
        page.connect(ws_url)
        return page

    return open_one


@pytest.fixture
def connected_pages(connected_page: OpenPage, connected_firefox_page: OpenPage) -> dict[str, OpenPage]:
    """What opens a page that has an established session, by the browser's name."""
    return {"chromium": connected_page, "firefox": connected_firefox_page}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show, for a failed test, what happened on its pages and in the server's log."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        pages: list[SdkPage] = item.stash.setdefault(pages_key, [])
        for number, page in enumerate(pages, 1):
            with contextlib.suppress(playwright.sync_api.Error, FirefoxError):
                report.sections.append((f"page {number}", page.story()))
        server = item.funcargs.get("server")
        if isinstance(server, ServerProcess):
            report.sections.append(("server log", server.log()[-20_000:]))
    return report
