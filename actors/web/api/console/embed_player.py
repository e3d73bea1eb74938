"""The player for frames on other sites, at `/embed_player`, with the parameters that WCS's has.

It is a page for anybody: whom it may show something is decided by the backend, when it plays.
"""

import mimetypes
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from actors.web.api.console.start_page import PAGES, SIGNALLING_CLIENT, PageInfo
from actors.web.api.routes import ApiRoute
from actors.web.responses import StaticContent
from protocol.rest.operations import ANYONE

PATH: Final = "/embed_player"
FOLDER: Final = PAGES / "embed_player"
HEADERS: Final = {
    # It may connect to any server that `urlServer` names, and be framed by any site.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
        "connect-src ws: wss:; base-uri 'none'; form-action 'none'"
    ),
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Referrer-Policy": "no-referrer",
}


class EmbedPlayer:
    """The page and its files."""

    def __init__(self, info: PageInfo) -> None:
        files = (*sorted(FOLDER.iterdir()), SIGNALLING_CLIENT)
        self._files = {f"{PATH}/{path.name}": _content(path.read_bytes(), path) for path in files if path.is_file()}
        index = FOLDER / "index.html"
        page = index.read_text().replace("{ws}", str(info.ws[1])).replace("{wss}", str(info.wss[1]))
        del self._files[f"{PATH}/{index.name}"]
        self._files[PATH] = _content(page.encode(), index)

    def routes(self) -> tuple[ApiRoute, ...]:
        return tuple(
            ApiRoute(path=path, endpoint=self.file, role=ANYONE, summary="the player for frames", is_described=False)
            for path in self._files
        )

    async def file(self, request: Request) -> Response:
        """The page, or a file of it; every query string is welcome."""
        return self._files[request.scope["path"]].answer(request, HEADERS)


def _content(content: bytes, path: Path) -> StaticContent:
    return StaticContent.of(content, mimetypes.guess_type(path.name)[0] or "application/octet-stream")
