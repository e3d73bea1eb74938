"""`/rest-api/rtsp/...` and `/rest-api/pull/rtmp/...`: the operator has sources captured."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from attrs import evolve
from starlette.requests import Request
from starlette.responses import Response

from actors.node.ports.capture import (
    NAME_IN_USE,
    AlreadyCaptured,
    AmbiguousCapture,
    CaptureDescription,
    CaptureFailed,
    CapturePort,
    NoSuchCapture,
)
from actors.runtime.logs import get_logger
from actors.web.api.coverage import NODES_SILENT, coverage_headers, is_local, nothing_found
from actors.web.api.routes import ApiRoute, Endpoint, acting_route, finding_route
from actors.web.api.searches import search_fields
from actors.web.api.streams.streams import BY_REST
from actors.web.callers import check_unbound, note
from actors.web.refusals import caller_fields
from actors.web.responses import JsonAnswer, empty_answer
from protocol.capture.uri import RTMP_SCHEMES, RTSP_SCHEMES, CaptureScheme
from protocol.rest.errors import RestError, not_found
from protocol.rest.fields import FieldTable, Schema
from protocol.rest.operations import Answer
from protocol.rest.paging import Found
from protocol.rest.resources import captures as rest
from protocol.stream.info_texts import StreamInfo

_NOT_CAPTURED: Final = "this source is not captured"
_AMBIGUOUS: Final = (
    "several sources look like this without their secrets; give the whole URI, or end their streams by name"
)
_END_ERRORS: Final = {404: _NOT_CAPTURED, 409: _AMBIGUOUS, 503: NODES_SILENT}
_START_ERRORS: Final = {
    409: "this source is captured already, under another name or by REST, or the name is in use",
    500: "the source cannot be captured; the reason says why",
    503: "too many captures, or the server is overloaded or draining",
}
_UNAVAILABLE: Final = frozenset({StreamInfo.SERVER_IS_OVERLOADED, StreamInfo.SERVER_IS_DRAINING})

log = get_logger("web")


class CaptureResource:
    """The methods of both groups. All sources are the operator's: callers bound to applications may not use them."""

    def __init__(self, captures: CapturePort) -> None:
        self._captures = captures

    def routes(self) -> tuple[ApiRoute, ...]:
        rtsp, rtmp = "/rest-api/rtsp", "/rest-api/pull/rtmp"
        return (
            acting_route(f"{rtsp}/startup", self.startup, "capture an RTSP source", rest.RTSP_STARTUP, _START_ERRORS),
            _listing(f"{rtsp}/find", self.find, "find captured RTSP sources", rest.RTSP_FIND, rest.RTSP_AGENTS),
            _listing(f"{rtsp}/find_all", self.find, "list them", rest.NO_FIELDS, rest.RTSP_AGENTS),
            acting_route(f"{rtsp}/terminate", self.terminate, "end a capture", rest.RTSP_TERMINATE, _END_ERRORS),
            acting_route(f"{rtmp}/pull", self.pull, "capture an RTMP source", rest.PULL, _START_ERRORS),
            _listing(f"{rtmp}/find_all", self.find_pulled, "list captured RTMP sources", rest.NO_FIELDS, rest.PULLED),
            acting_route(f"{rtmp}/terminate", self.end_pull, "end a capture", rest.PULL_TERMINATE, _END_ERRORS),
        )

    async def startup(self, request: Request) -> Response:
        """Capture a source, and wait until its media flows. It goes on without players, until `terminate`."""
        return await self._start(request, rest.RTSP_STARTUP, RTSP_SCHEMES)

    async def pull(self, request: Request) -> Response:
        """The same for RTMP."""
        return await self._start(request, rest.PULL, RTMP_SCHEMES)

    async def find(self, request: Request) -> Response:
        """The captured RTSP sources that match, those that players started included."""
        captures = self._asked(request)
        table = rest.NO_FIELDS if request.url.path.endswith("/find_all") else rest.RTSP_FIND
        fields = await search_fields(request, table)
        table.read(fields)
        uri, status = rest.parse_find(fields)
        found = await captures.find(RTSP_SCHEMES)
        matching = tuple(each for each in found.items if _matches(each, uri, status))
        return _listed(request, evolve(found, total=len(matching), items=matching), _agent)

    async def find_pulled(self, request: Request) -> Response:
        """The captured RTMP sources."""
        captures = self._asked(request)
        rest.NO_FIELDS.read(await search_fields(request, rest.NO_FIELDS))
        return _listed(request, await captures.find(RTMP_SCHEMES), _pulled)

    async def terminate(self, request: Request) -> Response:
        """End a capture; its players end with it."""
        return await self._terminate(request, rest.RTSP_TERMINATE, RTSP_SCHEMES)

    async def end_pull(self, request: Request) -> Response:
        """The same for RTMP."""
        return await self._terminate(request, rest.PULL_TERMINATE, RTMP_SCHEMES)

    # -- inside --------------------------------------------------------------------------------------------------

    def _asked(self, request: Request) -> CapturePort:
        """Those that the request is for: with `?scope=local` what this node captures only."""
        check_unbound(request.scope, "a capture")
        return self._captures.here if is_local(request) else self._captures

    async def _start(self, request: Request, table: FieldTable, schemes: frozenset[CaptureScheme]) -> Response:
        captures = self._asked(request)
        asked = rest.parse_startup(await request.body(), table, schemes)
        try:
            await captures.start(asked.uri, asked.name)
        except AlreadyCaptured as error:
            raise _conflict(error, asked) from None
        except CaptureFailed as failed:
            raise _refusal(failed) from None
        note(request.scope, matched=1)
        log.info("capture started by rest", name=asked.name, uri=asked.uri.text, **caller_fields(request.scope))
        return empty_answer({})

    async def _terminate(self, request: Request, table: FieldTable, schemes: frozenset[CaptureScheme]) -> Response:
        captures = self._asked(request)
        uri = rest.parse_terminate(await request.body(), table)
        try:
            await captures.terminate(uri, schemes, BY_REST)
        except NoSuchCapture:
            raise not_found(_NOT_CAPTURED) from None
        except AmbiguousCapture:
            raise RestError(HTTPStatus.CONFLICT, _AMBIGUOUS) from None
        note(request.scope, matched=1)
        log.info("capture ended by rest", uri=uri, **caller_fields(request.scope))
        return empty_answer({})


def _conflict(error: AlreadyCaptured, asked: rest.CaptureRequest) -> RestError:
    if error.detail == NAME_IN_USE:
        return RestError(HTTPStatus.CONFLICT, "the stream's name is in use", key=asked.name_key)
    return RestError(HTTPStatus.CONFLICT, "this source is captured already, by REST or under another name", key="uri")


def _listed(
    request: Request, found: Found[CaptureDescription], shown: Callable[[CaptureDescription], dict[str, Any]]
) -> Response:
    if not found.total:
        return nothing_found(request, "capture", found)
    return JsonAnswer([shown(each) for each in found.items], headers=coverage_headers(found.coverage))


def _refusal(failed: CaptureFailed) -> RestError:
    busy = failed.info in _UNAVAILABLE
    return RestError(HTTPStatus.SERVICE_UNAVAILABLE if busy else HTTPStatus.INTERNAL_SERVER_ERROR, str(failed))


def _matches(capture: CaptureDescription, uri: str | None, status: str | None) -> bool:
    return uri in (None, capture.uri) and status in (None, capture.status)


def _agent(capture: CaptureDescription) -> dict[str, Any]:
    return {"uri": capture.uri, "status": capture.status, "toStream": capture.name}


def _pulled(capture: CaptureDescription) -> dict[str, Any]:
    return {
        "localMediaSessionId": capture.media_session_id,
        "localStreamName": capture.name,
        "uri": capture.uri,
        "status": "PROCESSED_REMOTE" if capture.status == "PLAYING" else capture.status,
        "hasAudio": capture.has_audio,
        "hasVideo": capture.has_video,
        "record": False,
    }


def _listing(path: str, endpoint: Endpoint, summary: str, fields: FieldTable, found: Schema) -> ApiRoute:
    listed = Answer(description="the captures", schema=found)
    return finding_route(path, endpoint, summary, fields, {404: _NOT_CAPTURED, 503: NODES_SILENT}, listed)
