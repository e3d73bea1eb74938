"""Firefox for synchronous tests, through `tests/e2e/firefox.mjs`: Playwright cannot drive the one of Debian.

with running_firefox(node) as firefox:
    page = firefox.open(url)
    page.evaluate("([one, two]) => one + two", [1, 2])
"""

import json
import os
import selectors
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

DRIVER = Path(__file__).parents[2] / "e2e" / "firefox.mjs"
PATIENCE = 90.0
"""Seconds for an answer, the one that waits for the start of Firefox on a busy machine included."""
STOP_TIMEOUT = 90.0


class FirefoxError(Exception):
    """What was asked for has failed, on the page or in the driver."""


@define
class Firefox:
    """A running Firefox."""

    _driver: subprocess.Popen[bytes]
    _pages: dict[str, "FirefoxPage"] = field(init=False, factory=dict)
    _asked: int = field(init=False, default=0)
    _received: bytearray = field(init=False, factory=bytearray)

    def open(self, on_console: Callable[[str], None]) -> "FirefoxPage":
        """A new window. Lines of its console come while something is asked."""
        page = FirefoxPage(self, f"page {len(self._pages) + 1}", on_console)
        self._pages[page.name] = page
        self.ask("open", page=page.name)
        return page

    def ask(self, method: str, **given: Any) -> Any:
        """The driver's answer; raises FirefoxError if that is an error, or none comes in time."""
        self._asked += 1
        assert self._driver.stdin is not None
        self._driver.stdin.write(json.dumps({"id": self._asked, "method": method, **given}).encode() + b"\n")
        self._driver.stdin.flush()
        deadline = time.monotonic() + PATIENCE
        while (said := self._read(deadline)).get("id") != self._asked:
            if "console" in said:
                self._pages[said["page"]].on_console(said["console"])
        if "error" in said:
            raise FirefoxError(said["error"])
        return said["result"]

    def _read(self, deadline: float) -> dict[str, Any]:
        """The driver's next line."""
        assert self._driver.stdout is not None
        descriptor = self._driver.stdout.fileno()
        while (end := self._received.find(b"\n")) < 0:
            with selectors.DefaultSelector() as selector:
                selector.register(descriptor, selectors.EVENT_READ)
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise FirefoxError(f"no answer in {PATIENCE:.0f} s")
            piece = os.read(descriptor, 1 << 16)
            if not piece:
                raise FirefoxError(f"the driver has ended with exit code {self._driver.wait()}")
            self._received += piece
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        said: dict[str, Any] = json.loads(line)
        return said


@frozen(eq=False)
class FirefoxPage:
    """One window."""

    firefox: Firefox
    name: str
    on_console: Callable[[str], None]

    def evaluate(self, expression: str, arg: Any = None) -> Any:
        """The value of a JavaScript expression, or, if that is a function, of what it returns for the argument."""
        return self.firefox.ask("evaluate", page=self.name, script=expression, argument=arg)

    def goto(self, url: str) -> None:
        """Load another page."""
        self.firefox.ask("goto", page=self.name, url=url)

    def reload(self) -> None:
        """Load the page anew."""
        self.firefox.ask("reload", page=self.name)

    def close(self) -> None:
        self.firefox.ask("close", page=self.name)


@contextmanager
def running_firefox(node: str) -> Iterator[Firefox]:
    """Debian's Firefox with a new, empty profile; `node` is the program that the driver runs on."""
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    assert program, "this machine has no Firefox"
    with subprocess.Popen([node, str(DRIVER), program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as driver:
        try:
            yield Firefox(driver)
            assert driver.stdin is not None
            driver.stdin.close()
            assert driver.wait(STOP_TIMEOUT) == 0
        finally:
            driver.terminate()  # a driver that is still there takes Firefox with it
