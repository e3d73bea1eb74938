"""`/rest-api/admin/...`: what concerns the whole server. Only logins that are bound to no application may."""

from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from actors.node.drain import NotDrainable
from actors.node.ports.drain import DrainPort
from actors.settings.reload import ReloadReport
from actors.web.api.routes import ApiRoute, Endpoint, changing_route
from actors.web.callers import check_unbound, identity_of, note
from actors.web.responses import JsonAnswer
from config.loading import SettingsError
from protocol.node.server_state import Drained
from protocol.rest.errors import RestError
from protocol.rest.fields import FieldTable
from protocol.rest.operations import Answer
from protocol.rest.resources import administration as rest

_RELOADED = Answer(description="what has changed, and what waits for a restart", schema=rest.RELOAD_REPORT)


class Reload(Protocol):
    """Reads the settings again. Raises SettingsError: nothing has changed then."""

    async def __call__(self, *, by: str, check_only: bool) -> ReloadReport: ...


class AdminResource:
    """The methods of the admin group."""

    def __init__(self, drain: DrainPort, reload: Reload | None = None) -> None:
        self._drain = drain
        self._reload = reload

    def routes(self) -> tuple[ApiRoute, ...]:
        state = Answer(description="what the server does now", schema=rest.DRAIN_REPORT)
        return (
            _route("drain", self.drain, "stop after the last publication, and take no new ones", rest.DRAIN, state),
            _route("undrain", self.undrain, "take publications again", rest.UNDRAIN, state),
            _route("reload", self.reload, "read the settings again", rest.RELOAD, _RELOADED),
        )

    async def drain(self, request: Request) -> Response:
        """Take no new publications; the server stops when the last one has ended, or after `timeout`."""
        timeout, node = rest.parse_drain(await request.body())
        return await self._done(request, partial(self._drain.begin, timeout, node=node))

    async def undrain(self, request: Request) -> Response:
        """Serve as before."""
        node = rest.parse_undrain(await request.body())
        return await self._done(request, partial(self._drain.cancel, node=node))

    async def reload(self, request: Request) -> Response:
        """Put the settings of the file into force, as far as a running server can; with `check`, only look."""
        check_only = rest.parse_reload(await request.body())
        check_unbound(request.scope, "this")
        if self._reload is None:
            raise RestError(HTTPStatus.CONFLICT, "this server has no settings file")
        try:
            report = await self._reload(by=str(identity_of(request.scope)), check_only=check_only)
        except SettingsError as error:
            raise RestError(HTTPStatus.CONFLICT, str(error)) from error
        changed = ", ".join(change.key for change in report.taken)
        note(request.scope, changed=changed or None, login_required=report.login)
        return JsonAnswer(rest.reload_object(report.taken, report.waiting, report.warnings, login=report.login))

    async def _done(self, request: Request, act: Callable[..., Awaitable[Drained]]) -> Response:
        check_unbound(request.scope, "this")
        try:
            done = await act(by=str(identity_of(request.scope)))
        except NotDrainable as error:
            raise RestError(HTTPStatus.CONFLICT, str(error)) from error
        report = done.report
        note(request.scope, publications=report.publications, seconds_left=report.seconds_left)
        return JsonAnswer(rest.drain_object(report))


def _route(name: str, endpoint: Endpoint, summary: str, fields: FieldTable, answer: Answer) -> ApiRoute:
    errors = {409: "the server is shutting down, or cannot start with these settings; `reason` says it"}
    return changing_route(f"/rest-api/admin/{name}", endpoint, summary, fields, errors, answer, needs_body=False)
