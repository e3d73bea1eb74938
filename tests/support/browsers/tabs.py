"""Tabs of Chromium that serve one test after another.

A new one has a process and a profile of its own and compiles the SDK anew, which is two thirds of what a page costs.
"""

from collections.abc import Callable

from attrs import define, field, frozen
from playwright.sync_api import Browser, ConsoleMessage, Error, Page

from tests.support.browsers.sdk_page import PATIENCE


@frozen
class _User:
    """What hears of a tab that is in use."""

    on_error: Callable[[Error], None]
    on_console: Callable[[ConsoleMessage], None]


@define
class Tabs:
    """Tabs that are free, each with a profile of its own. There is always another one."""

    _browser: Browser
    _site: str
    _free: list[Page] = field(init=False, factory=list)
    _users: dict[Page, _User] = field(init=False, factory=dict)

    def take(self, on_error: Callable[[str], None], on_console: Callable[[str], None] = lambda _: None) -> Page:
        """A tab that tells of the errors on its page, and of the lines in its console."""
        tab = self._free.pop() if self._free else self._new()
        user = _User(lambda error: on_error(str(error)), lambda line: on_console(line.text))
        tab.on("pageerror", user.on_error)
        tab.on("console", user.on_console)
        self._users[tab] = user
        return tab

    def _new(self) -> Page:
        tab = self._browser.new_context(ignore_https_errors=True).new_page()
        tab.set_default_timeout(PATIENCE)
        return tab

    def give_back(self, tab: Page) -> None:
        """End the page in it, with its sessions. Nothing that it kept is left to the next one."""
        user = self._users.pop(tab)
        tab.remove_listener("pageerror", user.on_error)
        tab.remove_listener("console", user.on_console)
        try:
            tab.unroute_all()
            tab.goto(f"{self._site}/empty.html")
            tab.evaluate("localStorage.clear(), sessionStorage.clear()")
            tab.context.clear_cookies()
        except Error:  # its process was killed
            tab.context.close()
        else:
            self._free.append(tab)
