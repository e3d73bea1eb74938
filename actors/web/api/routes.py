"""The routes of the web service: each one declared once, for the router, the access control and the OpenAPI document.

ApiRoute(
    path="/rest-api/stream/find", methods=("GET", "POST"), endpoint=self.find, role=Role.VIEW,
    summary="find streams", fields=rest.FIND, answers=(Answer(description="those that match", schema=...),),
)
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final
from urllib.parse import parse_qsl

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from protocol.access.roles import Role
from protocol.rest.fields import NO_QUERY, FieldTable
from protocol.rest.operations import Answer, Operation
from protocol.rest.query import MAX_PARAMETERS, read_query
from protocol.rest.scope import SCOPE_QUERY

Endpoint = Callable[[Request], Awaitable[Response]]
DONE: Final = Answer(description="done, with an empty body")


@frozen(kw_only=True)
class ApiRoute(Operation):
    """An operation and the coroutine function that performs it."""

    endpoint: Endpoint


def acting_route(
    path: str,
    endpoint: Endpoint,
    summary: str,
    fields: FieldTable,
    errors: Mapping[int, str],
    answer: Answer = DONE,
    *,
    query: FieldTable = SCOPE_QUERY,
    description: str = "",
) -> ApiRoute:
    """A POST with a body that does something to streams, calls or clients: for operators."""
    return ApiRoute(
        path=path,
        methods=("POST",),
        endpoint=_without_query(endpoint) if query is NO_QUERY else endpoint,
        role=Role.OPERATE,
        summary=summary,
        description=description,
        fields=fields,
        query=query,
        answers=(answer,),
        errors=dict(errors),
    )


def changing_route(
    path: str,
    endpoint: Endpoint,
    summary: str,
    fields: FieldTable,
    errors: Mapping[int, str],
    answer: Answer,
    *,
    description: str = "",
    needs_body: bool = True,
) -> ApiRoute:
    """A POST that changes the server, or what all nodes have one of: for admins. It takes no query string."""
    return ApiRoute(
        path=path,
        methods=("POST",),
        endpoint=_without_query(endpoint),
        role=Role.ADMIN,
        summary=summary,
        description=description,
        fields=fields,
        query=NO_QUERY,
        needs_body=needs_body,
        answers=(answer,),
        errors=dict(errors),
    )


def finding_route(
    path: str,
    endpoint: Endpoint,
    summary: str,
    fields: FieldTable,
    errors: Mapping[int, str],
    found: Answer,
    *,
    query: FieldTable = SCOPE_QUERY,
) -> ApiRoute:
    """A search: by GET, or by POST with the filter as its body. See `searches.search_fields`."""
    return ApiRoute(
        path=path,
        methods=("GET", "POST"),
        endpoint=endpoint,
        role=Role.VIEW,
        summary=summary,
        fields=fields,
        query=query,
        needs_body=False,
        answers=(found,),
        errors=dict(errors),
    )


def _without_query(endpoint: Endpoint) -> Endpoint:
    """The endpoint, which refuses (400) any query string: to ignore a `?dry_run=true` would do what was not meant."""

    async def checked(request: Request) -> Response:
        NO_QUERY.read(read_query(request.scope["query_string"]))
        return await endpoint(request)

    return checked


class RouteTable:
    """All routes, in order: the first that matches a request is its route."""

    def __init__(self, routes: Iterable[ApiRoute]) -> None:
        self.routes = tuple(routes)
        self._matchers = tuple(map(_Matcher, self.routes))

    def starlette_routes(self) -> list[BaseRoute]:
        """For Starlette's router."""
        return list(self._matchers)

    def find(self, scope: Scope) -> ApiRoute | None:
        """The route of an HTTP request, exactly as the router will find it; None where it answers 404 or 405."""
        for route, matcher in zip(self.routes, self._matchers, strict=True):
            if matcher.matches(scope)[0] is Match.FULL:
                return route
        return None


def needed_role(table: RouteTable, scope: Scope) -> Role | None:
    """The least role for a request; for a path that does not exist the least of all, so that it gets its 404."""
    route = table.find(scope)
    return Role.METRICS if route is None else route.role


class _Matcher(Route):
    """Starlette's route, which also looks at the `action` of the query string."""

    def __init__(self, route: ApiRoute) -> None:
        super().__init__(route.path, route.endpoint, methods=list(route.methods))
        self._action = route.action

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if self._action is not None and self._action not in _actions(scope["query_string"]):
            return Match.NONE, {}
        return super().matches(scope)


def _actions(query: bytes) -> list[str]:
    """Every value of `action`: a second one is for the endpoint to refuse."""
    try:
        pairs = parse_qsl(query.decode("latin-1"), max_num_fields=MAX_PARAMETERS)
    except ValueError:
        return []
    return [value for name, value in pairs if name == "action"]
