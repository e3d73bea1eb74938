"""`/rest-api/connection/...`"""

from collections.abc import Sequence

import trio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from actors.node.control_port import NodeControl
from actors.runtime.actor import StopReason
from actors.runtime.logs import get_logger
from actors.web.api.streams import no_match, search_fields
from actors.web.refusals import client_address
from actors.web.responses import COUNT_HEADER, TOTAL_HEADER, ListAnswer, empty_answer
from config.settings import Settings
from protocol.rest import connections as rest
from protocol.rest.query import read_query
from protocol.stream.info_texts import StreamInfo

log = get_logger("web")

BY_REST = StopReason(cause="rest-connection-terminate", info=StreamInfo.STOPPED_BY_REST_TERMINATE)
"""Why a session ends that a terminate request matched; its streams end with it, by session disconnect."""


class ConnectionResource:
    """The methods of the connection group."""

    def __init__(self, streams: NodeControl, settings: Settings) -> None:
        self._streams = streams
        self._terminate_timeout = settings.rest_terminate_timeout

    def routes(self) -> Sequence[BaseRoute]:
        return (
            Route("/rest-api/connection/terminate", self.terminate, methods=["POST"]),
            Route("/rest-api/connection/find", self.find, methods=["GET", "POST"]),
            Route("/rest-api/connection/find_all", self.find_all, methods=["GET", "POST"]),
        )

    async def terminate(self, request: Request) -> Response:
        """Disconnect the sessions that match, which ends their streams."""
        rest.TERMINATE_QUERY.read(read_query(request.scope["query_string"]))
        query = rest.parse_terminate(await request.body())
        deadline = trio.current_time() + self._terminate_timeout
        count = await self._streams.terminate_connections(query, BY_REST, deadline=deadline)
        log.info("connections terminated by rest", matched=count, client=client_address(request.scope))
        return empty_answer({COUNT_HEADER: str(count)}) if count else no_match(request, "connection")

    async def find(self, request: Request) -> Response:
        """The sessions that match; POST takes the filter as its body, GET in the query string."""
        return await self._found(request, rest.parse_find(await search_fields(request)))

    async def find_all(self, request: Request) -> Response:
        """Every session, as the SDK requests by GET without a body; or what matches, if a filter is given."""
        return await self.find(request)

    async def _found(self, request: Request, query: rest.ConnectionQuery) -> Response:
        found = await self._streams.find_connections(query.filter, query.page)
        if not found.total:
            return no_match(request, "connection")
        shown = (rest.connection_object(connection) for connection in found.items)
        return ListAnswer(shown, {TOTAL_HEADER: str(found.total)})
