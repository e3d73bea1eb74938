"""`/rest-api/recorder/...`."""

from http import HTTPStatus
from typing import Final

import trio
from starlette.requests import Request
from starlette.responses import Response

from actors.node.ports.recorder import (
    NoSuchPublication,
    NoSuchRecording,
    RecorderPort,
    RecordingRefused,
    RecordWish,
)
from actors.runtime.logs import get_logger
from actors.web.api.coverage import NODES_SILENT, coverage_headers, is_local, nothing_found
from actors.web.api.routes import ApiRoute, acting_route, finding_route
from actors.web.api.searches import search_fields
from actors.web.callers import narrowed, note
from actors.web.refusals import caller_fields
from actors.web.responses import JsonAnswer, empty_answer
from protocol.containers.depayloaders import CALL_CODECS
from protocol.node.filters import StreamFilter
from protocol.rest.errors import RestError, not_found
from protocol.rest.operations import Answer
from protocol.rest.resources import records as rest

START_TIMEOUT: Final = 10.0
"""Seconds that a recording may take to begin."""
NO_PUBLICATION: Final = "no publication matches whose media flows"
_NO_RECORDING: Final = "the publication is not being recorded"
_ERRORS: Final = {
    403: "recording is switched off",
    404: "no publication matches, or it is not being recorded",
    409: "the stream has a codec that is not recorded: G722",
    503: "too many recordings, or no room for another; `setting` names the limit. Or a node of the cluster is silent",
}
_STATUSES: Final = {"record_streams": HTTPStatus.FORBIDDEN, CALL_CODECS: HTTPStatus.CONFLICT}
"""Of refusals, by their setting; other settings are limits."""

log = get_logger("web")


class RecordResource:
    """The methods of the recorder group, in their new names and their old."""

    def __init__(self, recorder: RecorderPort) -> None:
        self._recorder = recorder

    def routes(self) -> tuple[ApiRoute, ...]:
        found = Answer(description="the recordings that run", schema=rest.RECORDINGS)
        start, stop = "record a publication", "end the recording of a publication"
        return (
            acting_route("/rest-api/recorder/startup", self.startup, start, rest.STARTUP, _ERRORS),
            acting_route(
                "/rest-api/stream/startRecording", self.startup, f"{start}: the old name", rest.STARTUP, _ERRORS
            ),
            acting_route("/rest-api/recorder/terminate", self.terminate, stop, rest.TERMINATE, _ERRORS),
            acting_route(
                "/rest-api/stream/stopRecording", self.terminate, f"{stop}: the old name", rest.TERMINATE, _ERRORS
            ),
            finding_route(
                "/rest-api/recorder/find_all",
                self.find_all,
                "list the recordings that run",
                rest.NO_FIELDS,
                {404: "nothing is being recorded", 503: NODES_SILENT},
                found,
            ),
        )

    async def startup(self, request: Request) -> Response:
        """Record a publication. If it is being recorded already, that recording ends and a new one begins."""
        recorder = self._asked(request)
        asked = rest.parse_startup(await request.body())
        query = narrowed(request.scope, _publication(asked.media_session_id))
        try:
            with trio.move_on_after(START_TIMEOUT) as waiting:
                await recorder.start(query, RecordWish(template=asked.template, rotation=asked.rotation))
        except NoSuchPublication:
            raise not_found(NO_PUBLICATION) from None
        except RecordingRefused as refused:
            raise recording_refusal(refused) from None
        if waiting.cancelled_caught:
            raise RestError(HTTPStatus.SERVICE_UNAVAILABLE, "the recording did not begin in time")
        note(request.scope, matched=1)
        log.info("recording started by rest", id=asked.media_session_id, **caller_fields(request.scope))
        return empty_answer({})

    async def terminate(self, request: Request) -> Response:
        """End a recording. Its file appears a moment later."""
        recorder = self._asked(request)
        media_session_id = rest.parse_terminate(await request.body())
        try:
            await recorder.stop(narrowed(request.scope, _publication(media_session_id)))
        except NoSuchPublication:
            raise not_found(NO_PUBLICATION) from None
        except NoSuchRecording:
            raise not_found(_NO_RECORDING) from None
        note(request.scope, matched=1)
        log.info("recording ended by rest", id=media_session_id, **caller_fields(request.scope))
        return empty_answer({})

    async def find_all(self, request: Request) -> Response:
        """The recordings that run. POST takes an empty body or none."""
        recorder = self._asked(request)
        rest.parse_find_all(await search_fields(request, rest.NO_FIELDS))
        found = await recorder.find_all(narrowed(request.scope, StreamFilter()))
        if not found.total:
            return nothing_found(request, "recording", found)
        shown = [rest.recording_object(each.media_session_id, each.file_name) for each in found.items]
        return JsonAnswer(shown, headers=coverage_headers(found.coverage))

    def _asked(self, request: Request) -> RecorderPort:
        """Those that the request is for: with `?scope=local` what is recorded on this node only."""
        return self._recorder.here if is_local(request) else self._recorder


def _publication(media_session_id: str) -> StreamFilter:
    return StreamFilter(published=True, media_session_ids=frozenset({media_session_id}))


def recording_refusal(refused: RecordingRefused) -> RestError:
    """How a refusal is answered."""
    status = _STATUSES.get(refused.setting, HTTPStatus.SERVICE_UNAVAILABLE)
    return RestError(status, refused.info, setting=refused.setting or None)
