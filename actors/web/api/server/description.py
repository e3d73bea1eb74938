"""`GET /rest-api/openapi.json`: the OpenAPI document, made of the routes at the start."""

import json
from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response

from actors.web.api.routes import ApiRoute
from actors.web.responses import ETAG_HEADER, OUR_HEADERS, StaticContent
from protocol.access.roles import Role
from protocol.rest.fields import FieldTable
from protocol.rest.openapi import openapi_document
from protocol.rest.operations import Answer
from protocol.rest.query import read_query

QUERY = FieldTable(noun="query parameter")


class ApiDescription:
    """The document on all routes, and on its own."""

    def __init__(self, routes: Iterable[ApiRoute], *, version: str) -> None:
        self.route = ApiRoute(
            path="/rest-api/openapi.json",
            endpoint=self.document,
            role=Role.VIEW,
            summary="get this document",
            fields=QUERY,
            answers=(
                Answer(description="the document", schema={"type": "object"}, headers=(ETAG_HEADER,)),
                Answer(description="the one that `If-None-Match` names", status=304, headers=(ETAG_HEADER,)),
            ),
        )
        document = openapi_document((*routes, self.route), version=version, headers=OUR_HEADERS)
        self._content = StaticContent.of(json.dumps(document, separators=(",", ":")).encode(), "application/json")

    async def document(self, request: Request) -> Response:
        """The document, as JSON."""
        QUERY.read(read_query(request.scope["query_string"]))
        return self._content.answer(request)
