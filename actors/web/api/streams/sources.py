"""`/rest-api/source/...`: sources that have names. Only logins that are bound to no application may."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from actors.runtime.logs import get_logger
from actors.storage.table_store import TableStoreError
from actors.web.api.routes import ApiRoute, Endpoint, changing_route, finding_route
from actors.web.api.searches import no_match, search_fields
from actors.web.callers import check_unbound, identity_of, note
from actors.web.responses import TOTAL_HEADER, JsonAnswer, ListAnswer
from protocol.capture.named_sources import NamedSource, SourceError, entries
from protocol.operator.messages import Done
from protocol.operator.source_commands import AddSource, RemoveSource, SourceCommand, UpdateSource
from protocol.rest.errors import RestError, bad_request
from protocol.rest.fields import NO_QUERY, FieldTable
from protocol.rest.json_body import decode_object
from protocol.rest.operations import Answer
from protocol.rest.paging import page_of
from protocol.rest.resources import sources as rest
from protocol.rest.schemas import array_of

log = get_logger("web")


class SourcePort(Protocol):
    """What changes the sources; `actors.operator.commands.sources.SourceDesk` is one."""

    def all(self) -> tuple[NamedSource, ...]: ...
    async def change(self, command: SourceCommand, *, by: str) -> Done: ...


class SourceResource:
    """The methods of the source group."""

    def __init__(self, desk: SourcePort, once: Callable[[Endpoint], Endpoint]) -> None:
        self._desk = desk
        self._once = once

    def routes(self) -> tuple[ApiRoute, ...]:
        found = Answer(description="those that match", schema=array_of(rest.SOURCE), headers=(TOTAL_HEADER,))
        return (
            finding_route(
                "/rest-api/source/find_all",
                self.find,
                "list the sources that have names, or find one",
                rest.FIND,
                {403: "the login is bound to applications", 404: "no source matches"},
                found,
                query=NO_QUERY,
            ),
            self._route("add", self.add, "give a source a name", rest.ADD, {409: "the name is taken"}),
            self._route("update", self.update, "give a name another source", rest.UPDATE, {404: "no such name"}),
            self._route("remove", self.remove, "remove a name", rest.REMOVE, {404: "no such name"}),
        )

    def _route(
        self, name: str, endpoint: Endpoint, summary: str, fields: FieldTable, errors: dict[int, str]
    ) -> ApiRoute:
        done = Answer(description="what was done", schema=rest.CHANGED)
        errors = {403: "the login is bound to applications", **errors}
        return changing_route(f"/rest-api/source/{name}", self._once(endpoint), summary, fields, errors, done)

    async def find(self, request: Request) -> Response:
        """The sources, their URIs masked."""
        check_unbound(request.scope, "this")
        given = rest.FIND.read(await search_fields(request, rest.FIND, NO_QUERY))
        name = given[rest.NAME]
        found = [source for source in self._desk.all() if name in (None, source.name)]
        if not found:
            return no_match(request, "source")
        return ListAnswer(entries(page_of(given).of(found)), {TOTAL_HEADER: str(len(found))})

    async def add(self, request: Request) -> Response:
        """Pages can play the name from now on; nobody can publish under it."""
        given = rest.ADD.read(decode_object(await request.body()))
        return await self._changed(request, AddSource(name=given[rest.NAME] or "", uri=given[rest.URI] or ""))

    async def update(self, request: Request) -> Response:
        """The next player gets it, and ends the capture so far."""
        given = rest.UPDATE.read(decode_object(await request.body()))
        return await self._changed(request, UpdateSource(name=given[rest.NAME] or "", uri=given[rest.URI] or ""))

    async def remove(self, request: Request) -> Response:
        """Who plays it already goes on."""
        name = rest.REMOVE.read(decode_object(await request.body()))[rest.NAME] or ""
        if all(source.name != name for source in self._desk.all()):
            check_unbound(request.scope, "this")
            return no_match(request, "source")
        return await self._changed(request, RemoveSource(name=name))

    async def _changed(self, request: Request, command: Any) -> Response:
        check_unbound(request.scope, "this")
        note(request.scope, source_name=command.name)
        try:
            done = await self._desk.change(command, by=str(identity_of(request.scope)))
        except SourceError as error:
            raise _refusal(error) from None
        except TableStoreError as error:
            log.error("a change is not kept", cause=str(error))
            raise RestError(HTTPStatus.INTERNAL_SERVER_ERROR, str(error)) from error
        return JsonAnswer({"changed": done.changed, "message": done.message})


def _refusal(error: SourceError) -> RestError:
    if error.is_unknown:
        return RestError(HTTPStatus.NOT_FOUND, str(error))
    if error.is_taken or error.field is None:
        return RestError(HTTPStatus.CONFLICT, str(error))
    return bad_request(str(error), key=error.field)
