"""The server's start page in a real browser, driven by what a person sees: names, labels and texts."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from attrs import define, field
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.browsers.sdk_page import PATIENCE
from tests.support.network import plain_http
from tests.support.servers.server_process import ServerProcess

OpenStartPage = Callable[..., "StartPage"]
"""Opens a start page; takes the options of a browser context, and `address`, if that is not the usual one."""


@contextlib.contextmanager
def start_pages(browser: Browser, server: ServerProcess) -> Iterator[OpenStartPage]:
    """Opens start pages. At the end none may have made an error or a request elsewhere, and the server is empty."""
    pages: list[StartPage] = []

    def open_one(*, address: str | None = None, **options: Any) -> StartPage:
        context = browser.new_context(**options)
        pages.append(StartPage(context.new_page(), address or server.http_url()))
        pages[-1].open()
        return pages[-1]

    try:
        yield open_one
    finally:
        for page in pages:
            page.page.context.close()
    server.wait_until_empty()
    server.wait_until(lambda: _shows_nothing(server), what="pages are shown no stream of a second ago")
    errors = [page.errors for page in pages]
    assert not any(errors), f"errors of the pages: {errors}"
    assert [page.foreign for page in pages] == [[] for _ in pages]


def _shows_nothing(server: ServerProcess) -> bool:
    state = plain_http.get(f"{server.http_url()}page/state").json()
    return not state["streams"] and not state["sessions"]


@define(eq=False)
class StartPage:
    """The start page, and what went wrong on it: errors of the console, requests to anywhere but its own server."""

    page: Page
    address: str
    """Of the server, with a slash at the end."""
    errors: list[str] = field(factory=list)
    foreign: list[str] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self._note(request.url))

    def open(self) -> None:
        """Load the page and wait until it shows what the server tells."""
        self.page.goto(self.address)
        expect(self.page.locator("#pulse")).to_have_text("Live")

    # -- the tabs ----------------------------------------------------------------------------------

    def show(self, tab: str) -> None:
        """Turn to a tab by its id, if there is one: `streams`, `hooks`, `try`, and inside that `media` or `room`."""
        button = self.page.locator(f"#{tab}-tab")
        if button.is_visible() and button.get_attribute("aria-selected") == "false":
            button.click()

    # -- the panels --------------------------------------------------------------------------------

    @property
    def publisher(self) -> "Panel":
        self._show_media()
        return Panel(self.page.get_by_role("region", name="Publish"), "Publish")

    @property
    def player(self) -> "Panel":
        self._show_media()
        return Panel(self.page.get_by_role("region", name="Play"), "Play")

    def show_room_tab(self) -> "RoomPanel":
        """Turn to the tab of the room."""
        self.show("try")
        self.show("room")
        return RoomPanel(self.page.get_by_role("region", name="Meet in a room"), "Join")

    def _show_media(self) -> None:
        self.show("try")
        self.show("media")

    # -- the tables --------------------------------------------------------------------------------

    @property
    def streams(self) -> Locator:
        self.show("streams")
        return self.page.locator("#streams tbody tr")

    @property
    def rooms(self) -> Locator:
        self.show("rooms")
        return self.page.locator("#rooms tbody tr")

    @property
    def sessions(self) -> Locator:
        self.show("sessions")
        return self.page.locator("#sessions tbody tr")

    def stream(self, name: str, direction: str) -> Locator:
        """The row of a stream."""
        named = self.page.locator(".name").get_by_text(name, exact=True)
        return self.streams.filter(has=named).filter(has=self.page.get_by_role("cell", name=direction, exact=True))

    # -- the form and the question -----------------------------------------------------------------

    @property
    def filter_form(self) -> Locator:
        self.show("streams")
        return self.page.get_by_role("region", name="Terminate by filter")

    @property
    def filter_result(self) -> Locator:
        return self.page.locator("#filter-result")

    def show_matches(self, **conditions: str) -> None:
        """Fill the filter form, by the REST API's names of the conditions, and ask what matches."""
        self.filter_form.get_by_role("button", name="Clear").click()
        for key, value in conditions.items():
            self._fill(self.filter_form.locator(f"[name={key}]"), value)
        self.filter_form.get_by_role("button", name="Show what matches").click()

    def _fill(self, control: Locator, value: str) -> None:
        if control.evaluate("(control) => control.tagName") == "SELECT":
            control.select_option(value)
        else:
            control.fill(value)

    @property
    def question(self) -> Locator:
        return self.page.get_by_role("dialog")

    def answer(self, button: str) -> None:
        """Press a button of the question, which goes by that."""
        self.question.get_by_role("button", name=button, exact=True).click()
        expect(self.question).to_be_hidden()

    @property
    def notice(self) -> Locator:
        return self.page.locator("#notice")

    # -- the keyboard ------------------------------------------------------------------------------

    def tab_to(self, target: Locator) -> None:
        """Wait until `target` is shown, and press Tab until it has the focus."""
        expect(target).to_be_visible()
        for _ in range(100):
            if target.evaluate("(element) => element === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"no Tab leads to {target}")

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that the page's own events and requests bring about."""
        deadline = time.monotonic() + PATIENCE / 1000
        while not condition():
            assert time.monotonic() < deadline, "it does not come"
            self.page.wait_for_timeout(20)  # only meanwhile are they heard

    def _note(self, url: str) -> None:
        if not url.startswith((self.address, "blob:", "data:")):
            self.foreign.append(url)


def wait_for_motion(video: Locator) -> None:
    """Wait until the picture moves."""
    video.evaluate(
        """(video, patience) => new Promise((resolve, reject) => {
          const began = video.currentTime;
          setTimeout(() => reject(new Error("the picture does not move")), patience);
          const look = () => video.currentTime > began + 0.5 && video.videoWidth ? resolve() : setTimeout(look, 20);
          look();
        })""",
        PATIENCE,
    )


@define(eq=False)
class Panel:
    """One of the two panels at the top."""

    region: Locator
    start_label: str

    @property
    def name(self) -> Locator:
        return self.region.get_by_label("Stream name")

    @property
    def video(self) -> Locator:
        return self.region.locator("video")

    @property
    def words(self) -> Locator:
        return self.region.get_by_role("status")

    @property
    def start_button(self) -> Locator:
        return self.region.get_by_role("button", name=self.start_label, exact=True)

    @property
    def stop_button(self) -> Locator:
        return self.region.get_by_role("button", name="Stop", exact=True)

    def start(self, name: str) -> None:
        self.name.fill(name)
        self.start_button.click()

    def run(self, name: str, status: str) -> None:
        """Start, and wait for a status."""
        self.start(name)
        self.wait_for(status)

    def wait_for(self, status: str, words: str = "") -> None:
        expect(self.region.locator(".badge")).to_have_text(status)
        expect(self.words).to_contain_text(words)

    def wait_for_motion(self) -> None:
        """Wait until the picture moves."""
        wait_for_motion(self.video)

    def wait_for_size(self, width: int, height: int) -> None:
        """Wait until the picture has this size: a browser that is short of time sends smaller ones meanwhile."""
        expect(self.video).to_have_js_property("videoWidth", width)
        expect(self.video).to_have_js_property("videoHeight", height)


@define(eq=False)
class RoomPanel(Panel):
    """The panel in which one joins a room."""

    def join(self, room: str, login: str, source: str = "Camera") -> None:
        """Join, and wait until that is done."""
        self.region.get_by_label("Room", exact=True).fill(room)
        self.region.get_by_label("Your name").fill(login)
        self.region.get_by_label(source, exact=True).check()
        self.start_button.click()
        expect(self.chat_lines.or_(self.region.get_by_label("Message")).first).to_be_visible()

    def leave(self) -> None:
        self.region.get_by_role("button", name="Leave", exact=True).click()
        expect(self.words).to_contain_text("You have left the room.")

    @property
    def words(self) -> Locator:
        return self.region.locator(".outcome")

    @property
    def chat_lines(self) -> Locator:
        return self.region.get_by_role("log").get_by_role("listitem")

    def say(self, text: str) -> None:
        self.region.get_by_label("Message").fill(text)
        self.region.get_by_label("Message").press("Enter")

    def tile(self, login: str) -> Locator:
        """Where a member is shown."""
        name = self.region.page.locator(".tile-name").get_by_text(login, exact=True)
        return self.region.locator(".tile").filter(has=name)

    def sees(self, login: str) -> None:
        """Wait until the picture of this member moves."""
        wait_for_motion(self.tile(login).and_(self.region.page.locator(".on")).locator("video"))
