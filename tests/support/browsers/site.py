"""The web site that the pages with the SDK come from."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

from tests.support.browsers.sdk_page import OLD_SDK

E2E: Final = Path(__file__).parents[2] / "e2e"
SDKS: Final = {
    "sdk": E2E / "node_modules/@flashphoner/websdk",
    OLD_SDK: E2E / f"node_modules/web{OLD_SDK}",
}


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves a folder, as `python3 -m http.server` does, without its lines."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is that of the base class
        """Stay quiet."""


class SiteHandler(QuietHandler):
    """Serves `site`, and the npm packages of the SDK under /sdk/ and /sdk-2.0.180/."""

    def translate_path(self, path: str) -> str:
        folder = path.split("/", 2)[1]
        self.directory = str(SDKS.get(folder, E2E / "site"))
        return super().translate_path(path.removeprefix(f"/{folder}") if folder in SDKS else path)


class _SiteServer(ThreadingHTTPServer):
    """Pages ask for dozens of files at once; connections beyond the queue would wait for seconds."""

    request_queue_size = 128


def serving_site() -> AbstractContextManager[str]:
    """The address of a web server that has the SDK and the page for it."""
    return _serving(SiteHandler)


def serving_folder(folder: Path) -> AbstractContextManager[str]:
    """The address of a web server for a folder."""
    return _serving(partial(QuietHandler, directory=str(folder)))


@contextmanager
def _serving(handler: Callable[..., SimpleHTTPRequestHandler]) -> Iterator[str]:
    with _SiteServer(("127.0.0.1", 0), handler) as httpd:
        thread = Thread(target=partial(httpd.serve_forever, poll_interval=0.05), name="site")
        thread.start()
        try:
            yield f"http://127.0.0.1:{httpd.server_address[1]}"
        finally:
            httpd.shutdown()
            thread.join()
