"""`/rest-api/app/...`: what `wcs` does to applications, for programs and for the console."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final, Protocol

import trio
from starlette.requests import Request
from starlette.responses import Response

from actors.hooks.trial import TrialReport
from actors.runtime.logs import get_logger
from actors.storage.table_store import TableStoreError
from actors.web.api.routes import ApiRoute, Endpoint, changing_route, finding_route
from actors.web.api.searches import no_match, search_fields
from actors.web.callers import identity_of, note
from actors.web.responses import TOTAL_HEADER, JsonAnswer, ListAnswer
from config.apps import App, AppError, AppTable, TakenError
from protocol.common.suggestions import did_you_mean, shortened
from protocol.hooks import HookMethod
from protocol.operator.commands import AddApp, AppCommand, RemoveApp, UpdateApp, app_fields
from protocol.operator.messages import Done
from protocol.rest.errors import RestError, bad_request, not_found
from protocol.rest.fields import NO_QUERY, FieldTable
from protocol.rest.json_body import decode_object
from protocol.rest.operations import Answer
from protocol.rest.paging import page_of
from protocol.rest.resources import apps as rest
from protocol.rest.schemas import array_of

log = get_logger("web")

TESTS_AT_ONCE: Final = 4
"""Hooks under way that are sent on trial; further requests wait for their turn."""
ONCE: Final = (
    "With the header `Idempotency-Key` it is done once, and the same request gets the same answer for ten minutes."
)
_ERRORS: Final = {
    403: "the login is bound to other applications",
    404: "there is no such application",
    409: "the name or key is taken by another application",
}


class AppPort(Protocol):
    """What changes and tests applications; `actors.operator.commands.app_desk.AppDesk` is one."""

    def all(self) -> tuple[App, ...]: ...
    async def change(self, command_for: Callable[[AppTable], AppCommand], *, by: str) -> tuple[Done, AppTable]: ...
    async def test(self, app: App, method: HookMethod) -> TrialReport: ...


class AppResource:
    """The methods of the app group. Callers that are bound to applications see and change only these."""

    def __init__(self, desk: AppPort, once: Callable[[Endpoint], Endpoint]) -> None:
        self._desk = desk
        self._once = once
        self._tests = trio.CapacityLimiter(TESTS_AT_ONCE)

    def routes(self) -> tuple[ApiRoute, ...]:
        listed = Answer(description="those that match", schema=array_of(rest.APP), headers=(TOTAL_HEADER,))
        changed = Answer(description="what was done", schema=rest.CHANGED)
        removed = Answer(description="it is removed", schema=rest.REMOVED)
        tested = Answer(description="how far the hook got, also if that was not far", schema=rest.TESTED)
        return (
            finding_route(
                "/rest-api/app/find_all",
                self.find,
                "list all applications, or find some",
                rest.FIND,
                {404: "no application matches"},
                listed,
                query=NO_QUERY,
            ),
            self._route("add", self.add, "add an application", rest.ADD, changed),
            self._route("update", self.update, "change an application", rest.UPDATE, changed),
            self._route("remove", self.remove, "remove an application", rest.REMOVE, removed),
            self._route("test", self.test, "send a marked hook to an application's backend", rest.TEST, tested),
        )

    def _route(self, name: str, endpoint: Endpoint, summary: str, fields: FieldTable, answer: Answer) -> ApiRoute:
        path = f"/rest-api/app/{name}"
        return changing_route(path, self._once(endpoint), summary, fields, _ERRORS, answer, description=ONCE)

    async def find(self, request: Request) -> Response:
        """The applications, without passwords and secrets."""
        given = rest.FIND.read(await search_fields(request, rest.FIND, NO_QUERY))
        key, name, bound = given[rest.KEY], given[rest.NAME], identity_of(request.scope).apps
        found = [
            app
            for app in self._desk.all()
            if key in (None, app.key) and name in (None, app.name) and (bound is None or app.key in bound)
        ]
        if not found:
            return no_match(request, "application")
        return ListAnswer(map(app_object, page_of(given).of(found)), {TOTAL_HEADER: str(len(found))})

    async def add(self, request: Request) -> Response:
        """Add an application, with its methods."""
        given = rest.ADD.read(decode_object(await request.body()))
        name, key, url = (given[field] or "" for field in (rest.NAME, rest.KEY, rest.URL))
        said = {name: value for name, value in rest.given_attributes(given).items() if name != "url"}
        _check_app(request, key, rest.KEY.name)
        note(request.scope, app=key, fields=", ".join(sorted(said)))
        command = AddApp(name=name, key=key, url=url, fields=app_fields(said))
        return await self._changed(request, lambda _: command, key, is_update=False)

    async def update(self, request: Request) -> Response:
        """Change what is given, and leave the rest."""
        given = rest.UPDATE.read(decode_object(await request.body()))
        key, changed = given[rest.KEY] or "", rest.changed_attributes(given)
        _check_app(request, key, rest.KEY.name)
        _check_app(request, changed.get("key", key), rest.NEW_KEY.name)
        note(request.scope, app=key, fields=", ".join(sorted(changed)))
        fields = app_fields(changed)

        def command_for(table: AppTable) -> AppCommand:
            return UpdateApp(name=_found(table.apps, key).name, fields=fields)

        return await self._changed(request, command_for, changed.get("key", key), is_update=True)

    async def remove(self, request: Request) -> Response:
        """Remove it; clients that give its key are refused from then on."""
        key = self._named(request, rest.REMOVE, decode_object(await request.body()))
        with _refused(is_update=False):
            done, _ = await self._desk.change(
                lambda table: RemoveApp(name=_found(table.apps, key).name), by=str(identity_of(request.scope))
            )
        return JsonAnswer({"message": done.message})

    async def test(self, request: Request) -> Response:
        """Send one marked hook to its backend."""
        body = decode_object(await request.body())
        key = self._named(request, rest.TEST, body)
        method = rest.TEST.read(body)[rest.METHOD] or HookMethod.CONNECTION_STATUS_EVENT
        app = _found(self._desk.all(), key)
        async with self._tests:
            report = await self._desk.test(app, HookMethod(method))
        note(request.scope, ok=report.is_ok)
        steps = [{"step": step.name, "result": step.result, "ms": step.milliseconds} for step in report.steps]
        return JsonAnswer({"ok": report.is_ok, "message": report.message, "steps": steps})

    # -- inside ------------------------------------------------------------------------------------

    def _named(self, request: Request, table: FieldTable, body: Mapping[str, Any]) -> str:
        key = table.read(body)[rest.KEY] or ""
        _check_app(request, key, rest.KEY.name)
        note(request.scope, app=key)
        return key

    async def _changed(
        self, request: Request, command_for: Callable[[AppTable], AppCommand], key: str, *, is_update: bool
    ) -> Response:
        with _refused(is_update=is_update):
            done, table = await self._desk.change(command_for, by=str(identity_of(request.scope)))
        app = app_object(_found(table.apps, key))
        return JsonAnswer({"changed": done.changed, "message": done.message, "app": app})


def app_object(app: App) -> dict[str, Any]:
    """An application as REST and the console show it: never a password or a secret."""
    return {
        "name": app.name,
        "key": app.key,
        "url": app.url,
        "methods": list(app.ordered_methods),
        "rooms": app.rooms,
        "onBreaker": str(app.breaker_reaction),
        "spool": str(app.keep_policy),
        "hasCredentials": app.rest_username is not None,
        "isSigned": app.webhook_secret is not None,
    }


def _check_app(request: Request, key: str, field: str) -> None:
    """RestError (403) for an application that the caller is not bound to, whether it exists or not."""
    apps = identity_of(request.scope).apps
    if apps is not None and key not in apps:
        raise RestError(HTTPStatus.FORBIDDEN, "this login is bound to other applications", key=field)


def _found(apps: tuple[App, ...], key: str) -> App:
    for app in apps:
        if app.key == key:
            return app
    raise not_found(f"there is no application with the key {shortened(key)}{did_you_mean(key, [a.key for a in apps])}")


@contextmanager
def _refused(*, is_update: bool) -> Iterator[None]:
    """What keeps a change from being made, as a RestError that names the field."""
    try:
        yield
    except AppError as error:
        raise _refusal(error, is_update=is_update) from None
    except TableStoreError as error:
        log.error("a change is not kept", cause=str(error))
        raise RestError(HTTPStatus.INTERNAL_SERVER_ERROR, str(error)) from error


def _refusal(error: AppError, *, is_update: bool) -> RestError:
    if error.field is None:
        return RestError(HTTPStatus.CONFLICT, str(error))
    name = rest.name_of(error.field, is_update=is_update)
    reason = f"{name}: {str(error).removeprefix(f'{error.field}: ')}"
    if isinstance(error, TakenError):
        return RestError(HTTPStatus.CONFLICT, reason, key=name)
    return bad_request(reason, key=name)
