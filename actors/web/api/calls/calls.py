"""`/rest-api/call/...`: calls by SIP."""

from http import HTTPStatus
from typing import Final

import trio
from starlette.requests import Request
from starlette.responses import Response

from actors.node.ports.call_control import CallControlPort, DigitsNotSent, NoSuchCall
from actors.runtime.actor import StopReason
from actors.runtime.logs import get_logger
from actors.web.api.coverage import NODES_SILENT, coverage_headers, is_local, nothing_found
from actors.web.api.routes import ApiRoute, acting_route, finding_route
from actors.web.api.searches import search_fields
from actors.web.callers import narrowed, note
from actors.web.refusals import caller_fields
from actors.web.responses import COUNT_HEADER, TOTAL_HEADER, JsonAnswer, empty_answer
from config.settings import Settings
from protocol.calls.info_texts import CallInfo
from protocol.node.filters import given_conditions
from protocol.rest.errors import RestError, not_found
from protocol.rest.operations import Answer
from protocol.rest.resources import calls as rest
from protocol.stream.info_texts import StreamInfo

BY_REST: Final = StopReason(cause="rest-terminate", info=StreamInfo.STOPPED_BY_REST_TERMINATE)
_PATH: Final = "/rest-api/call"
_NO_CALL: Final = "no call matches"
_ERRORS: Final = {404: _NO_CALL, 501: "calls are off: `sip.servers` is empty", 503: NODES_SILENT}

log = get_logger("web")


class CallResource:
    """The methods of the call group. `calls` is None while SIP is off: each method then says how to turn it on."""

    def __init__(self, calls: CallControlPort | None, settings: Settings) -> None:
        self._calls = calls
        self._settings = settings

    def routes(self) -> tuple[ApiRoute, ...]:
        ended = Answer(description="it is ended, and its phone told", headers=(COUNT_HEADER,))
        return (
            *self._find_routes(),
            acting_route(
                f"{_PATH}/send_dtmf",
                self.send_dtmf,
                "send digits to a phone",
                rest.SEND_DTMF,
                {**_ERRORS, 409: "the call is not up, or too many digits are waiting"},
            ),
            acting_route(f"{_PATH}/terminate", self.terminate, "end a call", rest.TERMINATE, _ERRORS, ended),
        )

    async def find(self, request: Request) -> Response:
        """The calls that match: all without a filter."""
        local = is_local(request)
        asked = rest.parse_find(await search_fields(request, rest.FIND))
        found = await self._port(local).find(narrowed(request.scope, asked.filter), asked.page)
        if not found.total:
            return nothing_found(request, "call", found)
        headers = {TOTAL_HEADER: str(found.total), **coverage_headers(found.coverage)}
        return JsonAnswer([rest.shown_call(call) for call in found.items], headers=headers)

    async def terminate(self, request: Request) -> Response:
        """End a call: the phone gets BYE, CANCEL or a refusal, the page a last status."""
        local = is_local(request)
        query = narrowed(request.scope, rest.parse_terminate(await request.body()))
        deadline = trio.current_time() + self._settings.rest_terminate_timeout
        count = await self._port(local).terminate(query, BY_REST, deadline=deadline)
        note(request.scope, filter=given_conditions(query), matched=count)
        if not count:
            raise not_found(_NO_CALL)
        log.info("call ended by rest", id=query.call_id, **caller_fields(request.scope))
        return empty_answer({COUNT_HEADER: str(count)})

    async def send_dtmf(self, request: Request) -> Response:
        """Send digits to the phone of a call. They may be secret, so no log and no audit line has them."""
        local = is_local(request)
        order = rest.parse_send_dtmf(await request.body())
        query = narrowed(request.scope, order.filter)
        note(request.scope, filter=given_conditions(query))
        try:
            await self._port(local).send_digits(query, order.digits, order.kind)
        except NoSuchCall:
            raise not_found(_NO_CALL) from None
        except DigitsNotSent as refused:
            raise RestError(HTTPStatus.CONFLICT, refused.info) from None
        note(request.scope, matched=1)
        log.info("digits sent by rest", id=query.call_id, **caller_fields(request.scope))
        return empty_answer({})

    # -- inside --------------------------------------------------------------------------------------------------

    def _port(self, local: bool) -> CallControlPort:
        """Asked for after the request has been read: what is malformed is told first. `local`: this node only."""
        if self._calls is None:
            raise RestError(HTTPStatus.NOT_IMPLEMENTED, CallInfo.NOT_SERVED, setting="sip.servers")
        return self._calls.here if local else self._calls

    def _find_routes(self) -> tuple[ApiRoute, ...]:
        found = Answer(description="the calls, oldest first", schema=rest.CALLS, headers=(TOTAL_HEADER,))
        return tuple(
            finding_route(f"{_PATH}/{method}", self.find, summary, rest.FIND, _ERRORS, found)
            for method, summary in (("find", "find calls"), ("find_all", "list all calls, or find some"))
        )
