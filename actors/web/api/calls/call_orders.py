"""`/rest-api/call/startup` and `/rest-api/call/inject_...`: calls without a page, and what phones hear."""

from http import HTTPStatus
from typing import Final

from attrs import evolve
from starlette.requests import Request
from starlette.responses import Response

from actors.node.ports.call_control import NoSuchCall
from actors.node.ports.call_order import CallOrderPort, NothingToInject, NotInjected
from actors.runtime.logs import get_logger
from actors.web.api.coverage import NODES_SILENT, is_local
from actors.web.api.routes import ApiRoute, acting_route
from actors.web.callers import identity_of, narrowed, note
from actors.web.refusals import caller_fields
from actors.web.responses import JsonAnswer, empty_answer
from protocol.calls.info_texts import CallInfo, CallRefused
from protocol.node.filters import StreamFilter, given_conditions
from protocol.rest.errors import RestError, not_found
from protocol.rest.fields import FieldTable
from protocol.rest.operations import Answer
from protocol.rest.resources import call_orders as rest
from protocol.rest.schemas import object_of

_PATH: Final = "/rest-api/call"
_NO_CALL: Final = "no call matches"
_OFF: Final = "calls are off: `sip.servers` is empty"
_START_ERRORS: Final = {
    403: "whom the callee is, or the server, is not allowed; `setting` names what decides",
    404: "there is no such account",
    409: "a call of this callId is under way, or the name of the stream is in use",
    501: f"{_OFF}; or something of the call is not supported",
    503: "too many calls, or the server is overloaded or draining; `setting` names the limit",
}
_STREAM_ERRORS: Final = {
    404: f"{_NO_CALL}, or no publication whose media flows",
    409: "the call is not up, or its phone does not take the codec of the stream",
    501: _OFF,
    503: NODES_SILENT,
}
_SOUND_ERRORS: Final = {
    404: f"{_NO_CALL}, or there is no such file in the folder of sounds",
    409: "the call is not up, its phone takes no G.711, or the file cannot be played",
    501: _OFF,
    503: NODES_SILENT,
}
_STOP_ERRORS: Final = {404: _NO_CALL, 501: _OFF, 503: NODES_SILENT}

log = get_logger("web")


class CallOrderResource:
    """The methods of the call group that begin calls, and change what is heard. `calls` is None while SIP is off."""

    def __init__(self, calls: CallOrderPort | None) -> None:
        self._calls = calls

    def routes(self) -> tuple[ApiRoute, ...]:
        begun = Answer(description="the call has begun; /call/find tells of its status", schema=object_of("Begun"))
        stream, stop = "have a phone hear a stream", "have a phone hear its page again"
        sound = "have a phone hear a sound"
        return (
            acting_route(f"{_PATH}/startup", self.startup, "begin a call", rest.STARTUP, _START_ERRORS, begun),
            acting_route(
                f"{_PATH}/inject_stream/startup", self.inject_stream, stream, rest.INJECT_STREAM, _STREAM_ERRORS
            ),
            acting_route(f"{_PATH}/inject_stream", self.inject_stream, stream, rest.INJECT_STREAM, _STREAM_ERRORS),
            acting_route(f"{_PATH}/inject_stream/terminate", self.stop, stop, rest.STOP_INJECTION, _STOP_ERRORS),
            acting_route(f"{_PATH}/inject_sound", self.inject_sound, sound, rest.INJECT_SOUND, _SOUND_ERRORS),
            acting_route(f"{_PATH}/inject_sound/terminate", self.stop, stop, rest.STOP_INJECTION, _STOP_ERRORS),
        )

    async def startup(self, request: Request) -> Response:
        """Begin a call without a page. It goes on by itself; its end is told by hooks and events."""
        is_local(request)  # a query that is malformed is told first
        order = rest.parse_startup(await request.body())
        apps = identity_of(request.scope).apps
        if apps is not None and order.app_key not in apps:
            raise RestError(HTTPStatus.FORBIDDEN, "this login is bound to other applications", key="appKey")
        note(request.scope, call=order.call_id, app=order.app_key, account=order.account or None)
        try:
            await self._port(request).start(order)
        except CallRefused as refused:
            raise rest.refusal_of_call(refused) from None
        note(request.scope, matched=1)
        log.info("call started by rest", id=order.call_id, app=order.app_key, **caller_fields(request.scope))
        return JsonAnswer({})

    async def inject_stream(self, request: Request) -> Response:
        """Have the phone of a call hear a publication in the page's place, until one of them ends."""
        asked = await self._read(request, rest.INJECT_STREAM)
        stream = narrowed(request.scope, StreamFilter(name=asked.name, published=True))
        try:
            await self._port(request).inject_stream(asked.filter, stream)
        except (NoSuchCall, NothingToInject, NotInjected) as error:
            raise _refusal(error) from None
        log.info("stream injected by rest", **_told(request, asked))
        return empty_answer({})

    async def inject_sound(self, request: Request) -> Response:
        """Have the phone of a call hear a WAV file in the page's place, once."""
        asked = await self._read(request, rest.INJECT_SOUND)
        try:
            await self._port(request).inject_sound(asked.filter, asked.name)
        except (NoSuchCall, NothingToInject, NotInjected) as error:
            raise _refusal(error) from None
        log.info("sound injected by rest", **_told(request, asked))
        return empty_answer({})

    async def stop(self, request: Request) -> Response:
        """End whatever the phone of a call hears in the page's place; nothing, if there is none."""
        asked = await self._read(request, rest.STOP_INJECTION)
        try:
            await self._port(request).stop_injection(asked.filter)
        except NoSuchCall as error:
            raise _refusal(error) from None
        log.info("injection ended by rest", **_told(request, asked))
        return empty_answer({})

    # -- inside --------------------------------------------------------------------------------------------------

    def _port(self, request: Request) -> CallOrderPort:
        """Asked for after the request has been read: what is malformed is told first."""
        if self._calls is None:
            raise RestError(HTTPStatus.NOT_IMPLEMENTED, CallInfo.NOT_SERVED, setting="sip.servers")
        return self._calls.here if is_local(request) else self._calls

    async def _read(self, request: Request, table: FieldTable) -> rest.Injection:
        is_local(request)  # a query that is malformed is told first
        asked = rest.parse_injection(await request.body(), table)
        asked = evolve(asked, filter=narrowed(request.scope, asked.filter))
        note(request.scope, filter=given_conditions(asked.filter), name=asked.name or None)
        return asked


def _told(request: Request, asked: rest.Injection) -> dict[str, object]:
    """It is done: for the audit file, and the fields of the log line."""
    note(request.scope, matched=1)
    return {"id": asked.filter.call_id, "name": asked.name or None, **caller_fields(request.scope)}


def _refusal(error: NoSuchCall | NothingToInject | NotInjected) -> RestError:
    match error:
        case NotInjected():
            return RestError(HTTPStatus.CONFLICT, error.info)
        case NothingToInject():
            return not_found(error.what)
        case _:
            return not_found(_NO_CALL)
