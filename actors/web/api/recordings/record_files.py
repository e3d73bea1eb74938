"""The files that come of recordings: `/client/records/NAME`."""

import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

import trio
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from actors.node.ports.recorder import RecordFilesPort
from actors.node.ports.refusals import NodesSilent
from actors.web.api.routes import ApiRoute
from actors.web.callers import check_unbound
from config.settings import RecordsAccess, Settings
from protocol.access.roles import Role
from protocol.rest.errors import not_found
from protocol.rest.fields import NO_QUERY
from protocol.rest.operations import ANYONE, Answer
from protocol.rest.resources import records as rest

FINISH_TIMEOUT: Final = 20.0
"""Seconds that a request waits for a file that is being finished."""


class RecordFiles:
    """Finished files, in whole or in ranges. `is_public`: of the listeners for anybody, where nobody logs in."""

    def __init__(self, files: RecordFilesPort, settings: Settings, *, is_public: bool = False) -> None:
        self._files = files
        self._settings = settings
        self._is_public = is_public

    def routes(self) -> tuple[ApiRoute, ...]:
        return (
            ApiRoute(
                path="/client/records/{name:str}",
                methods=("GET",),
                endpoint=self.fetch,
                role=ANYONE if self._is_public else Role.VIEW,
                summary="fetch a recording",
                description="Finished files only, in whole or in ranges. Who may is decided by `records.access` too.",
                query=NO_QUERY,
                answers=(
                    Answer(description="the file", schema={"type": "string"}, media_type="video/*"),
                    Answer(status=206, description="a part", schema={"type": "string"}, media_type="video/*"),
                ),
                errors={404: "there is no such file", 416: "the file has no such range"},
            ),
        )

    async def fetch(self, request: Request) -> Response:
        """A finished file, in whole or in ranges (RFC 9110 section 14). There is no list of them.

        A page that has just learned a file's name gets it as soon as it is finished.
        """
        name, access = request.path_params["name"], self._settings.records_access
        kind = rest.media_type(name)
        if kind is None or not self._may_be_fetched(access):
            raise not_found("there is no such file")
        if access is RecordsAccess.AUTHENTICATED:
            check_unbound(request.scope, "a recording")
        with trio.move_on_after(FINISH_TIMEOUT), suppress(NodesSilent):
            await self._files.until_finished(name)
        path = await trio.to_thread.run_sync(_first_file, self._files, name)
        if path is None:
            raise not_found("there is no such file")
        return FileResponse(path, media_type=kind, headers=_file_headers(access))

    def _may_be_fetched(self, access: RecordsAccess) -> bool:
        """Nobody logs in to the public listeners: what is not public is not there."""
        return access is RecordsAccess.PUBLIC or (access is RecordsAccess.AUTHENTICATED and not self._is_public)


def _first_file(files: RecordFilesPort, name: str) -> Path | None:
    return next(filter(_is_file, files.paths(name)), None)


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _file_headers(access: RecordsAccess) -> dict[str, str]:
    """Beside those of every response: pages of any origin may show what is public."""
    return {"Cross-Origin-Resource-Policy": "cross-origin"} if access is RecordsAccess.PUBLIC else {}
