"""What the routes share that find things: fields from the body or the query string, and the answer to no match."""

from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from actors.web.api.coverage import NODES_SILENT, without_scope
from actors.web.api.routes import ApiRoute, Endpoint, finding_route
from actors.web.responses import COUNT_HEADER, error_answer
from protocol.rest.errors import not_found
from protocol.rest.fields import FieldTable
from protocol.rest.json_body import decode_optional_object
from protocol.rest.operations import Answer
from protocol.rest.query import read_query
from protocol.rest.scope import SCOPE_QUERY


def find_routes(
    noun: str, endpoint: Endpoint, fields: FieldTable, found: Answer, *, query: FieldTable = SCOPE_QUERY
) -> Iterator[ApiRoute]:
    """`find`, and `find_all`, which does the same: the SDK calls it by GET without a filter."""
    errors = {404: f"no {noun} matches", 503: NODES_SILENT}
    for method, summary in (("find", f"find {noun}s"), ("find_all", f"list all {noun}s, or find some")):
        yield finding_route(f"/rest-api/{noun}/{method}", endpoint, summary, fields, errors, found, query=query)


async def search_fields(request: Request, table: FieldTable, query: FieldTable = SCOPE_QUERY) -> dict[str, Any]:
    """The fields of a find: of the JSON body, or, without one, of the query string of a GET.

    `query`: what else may be in the query string. RestError (400) for anything that it may not have.
    """
    body, given = await request.body(), read_query(request.scope["query_string"])
    if request.method == "POST" or body:
        query.read(given)
        return decode_optional_object(body)
    return table.from_query(without_scope(given, query))


def no_match(request: Request, noun: str) -> Response:
    """404, as WCS answers when a filter matches nothing."""
    headers = {COUNT_HEADER: "0"} if request.url.path.endswith("/terminate") else None
    return error_answer(not_found(f"no {noun} matches"), request.url.path, headers)
