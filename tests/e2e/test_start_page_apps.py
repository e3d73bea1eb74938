"""The applications in the console: added, tested, changed and removed by an admin, read by others."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Route, expect

from tests.support.browsers.start_page import OpenStartPage, StartPage, start_pages
from tests.support.servers.server_process import ServerProcess, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with an application beside those that are shipped."""
    with running_server(tmp_path_factory.mktemp("server")) as server:
        server.operate("add", "app", "Shop", "shop", "http://127.0.0.1:9/hooks")
        yield server


@pytest.fixture
def start_page(browser: Browser, server: ServerProcess) -> Iterator[OpenStartPage]:
    with start_pages(browser, server) as open_one:
        yield open_one


def test_an_application_is_added_tested_changed_and_removed(start_page: OpenStartPage) -> None:
    page = start_page(viewport={"width": 390, "height": 800})
    page.show("apps")
    row = page.page.locator("#apps tbody tr").filter(has_text="Kiosk")
    add_kiosk(page)
    expect(row).to_contain_text("1 hook")

    row.get_by_role("button", name="Test Kiosk", exact=True).click()
    test = page.page.get_by_role("dialog", name="Test of “Kiosk”")
    expect(test).to_contain_text("It failed. http://127.0.0.1:9/hooks/ConnectionStatusEvent: connection:")
    expect(test.get_by_role("listitem")).to_contain_text(["name: 127.0.0.1"])
    page.page.keyboard.press("Escape")

    change_kiosk(row, page.page.locator("#app"))
    row.get_by_role("button", name="Remove Kiosk", exact=True).click()
    expect(page.question).to_contain_text("Clients that give its key, kiosk, are refused")
    page.answer("Remove")
    expect(row).to_have_count(0)


def add_kiosk(page: StartPage) -> None:
    keyboard, form = page.page.keyboard, page.page.locator("#app")
    page.page.get_by_role("button", name="Add an application").press("Enter")
    keyboard.type("Kiosk")
    form.get_by_label("Key, which clients give").fill("kiosk")
    form.get_by_label("URL of the backend").fill("ftp://backend.example")
    form.get_by_label("playStream", exact=True).check()
    keyboard.press("Enter")
    expect(form.get_by_role("alert")).to_contain_text("url: 'ftp://backend.example' must start with http://")
    expect(form.get_by_label("URL of the backend")).to_be_focused()
    page.errors.clear()  # the browser's own line about the 400
    form.get_by_label("URL of the backend").fill("http://127.0.0.1:9/hooks")
    keyboard.press("Enter")
    expect(page.notice).to_have_text("Application “Kiosk” added.")


def change_kiosk(row: Locator, form: Locator) -> None:
    row.get_by_role("button", name="Edit Kiosk", exact=True).click()
    expect(form.get_by_label("playStream", exact=True)).to_be_checked()
    form.get_by_label("connect", exact=True).check()
    form.get_by_label("Its rooms are served here").check()
    form.get_by_label("While the backend is not called").select_option("deny")
    form.get_by_label("Of what cannot be delivered").select_option("ends")
    form.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("2 hooks")
    expect(row).to_contain_text("served here")
    row.get_by_role("button", name="Edit Kiosk", exact=True).click()
    expect(form.get_by_label("While the backend is not called")).to_have_value("deny")
    expect(form.get_by_label("Of what cannot be delivered")).to_have_value("ends")
    form.get_by_role("button", name="Cancel").click()


def test_who_may_not_change_applications_reads_why(start_page: OpenStartPage) -> None:
    page = start_page()

    def as_viewer(route: Route) -> None:
        state = route.fetch().json()
        route.fulfill(json=state | {"caller": state["caller"] | {"role": "view"}})

    page.page.route("**/page/state?*", as_viewer)
    page.show("apps")
    expect(page.page.locator("#apps-hint")).to_have_text(
        "Changing and testing them needs the role admin; you have view."
    )
    for name in ("Add an application", "Edit Shop", "Test Shop", "Remove Shop"):
        expect(page.page.get_by_role("button", name=name, exact=True)).to_be_hidden()
    page.page.unroute_all(behavior="wait")
