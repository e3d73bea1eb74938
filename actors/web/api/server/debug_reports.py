"""`/client/debug/NAME`: the reports about sessions whose pages asked for one."""

import trio
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from actors.storage.report_folder import ReportFolder
from actors.web.api.routes import ApiRoute
from actors.web.callers import check_unbound
from config.settings import Settings
from protocol.access.roles import Role
from protocol.rest.errors import not_found
from protocol.rest.fields import NO_QUERY
from protocol.rest.operations import Answer


class DebugReportResource:
    """The files; there is no list of them."""

    def __init__(self, folder: ReportFolder, settings: Settings) -> None:
        self._folder = folder
        self._settings = settings

    def routes(self) -> tuple[ApiRoute, ...]:
        return (
            ApiRoute(
                path="/client/debug/{name:str}",
                methods=("GET",),
                endpoint=self.fetch,
                role=Role.VIEW,
                summary="fetch a session's debug report",
                description="Its page was told the name when the report ended (`notifySessionDebugEvent`).",
                query=NO_QUERY,
                answers=(Answer(description="the report", schema={"type": "string"}, media_type="text/plain"),),
                errors={404: "there is no such report, or `session_debug_reports` is off"},
            ),
        )

    async def fetch(self, request: Request) -> Response:
        """A report, as a file to keep."""
        name = request.path_params["name"]
        check_unbound(request.scope, "a debug report")
        path = None
        if self._settings.session_debug_reports:
            path = await trio.to_thread.run_sync(self._folder.find, name)
        if path is None:
            raise not_found("there is no such report")
        return FileResponse(path, media_type="text/plain", filename=name)
