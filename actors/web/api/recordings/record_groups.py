"""`/rest-api/multipleRecorder/...`: groups of recordings."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final, TypeVar

import trio
from starlette.requests import Request
from starlette.responses import Response

from actors.node.ports.recorder import (
    GroupExists,
    NoSuchGroup,
    NoSuchPublication,
    NoSuchRecording,
    RecordGroupPort,
    RecordingRefused,
)
from actors.runtime.logs import get_logger
from actors.web.api.coverage import NODES_SILENT, coverage_headers, nothing_found
from actors.web.api.recordings.records import NO_PUBLICATION, START_TIMEOUT, recording_refusal
from actors.web.api.routes import ApiRoute, Endpoint, acting_route, finding_route
from actors.web.api.searches import search_fields
from actors.web.callers import check_unbound, note
from actors.web.refusals import caller_fields
from actors.web.responses import JsonAnswer, empty_answer
from protocol.node.filters import StreamFilter
from protocol.rest.errors import RestError, not_found
from protocol.rest.fields import NO_QUERY, FieldTable
from protocol.rest.operations import Answer
from protocol.rest.resources import record_groups as rest

_PATH: Final = "/rest-api/multipleRecorder"
_ERRORS: Final = {
    403: "recording is switched off, or the login is bound to applications",
    404: "there is no such group, publication or recording",
    409: "there is such a group, the publication is recorded for it already, or has a codec that is not recorded: G722",
    503: "too many groups or recordings, or no room for another; `setting` names the limit. Or a node is silent",
}

log = get_logger("web")
T = TypeVar("T")


class RecordGroupResource:
    """The methods of WCS's multiple recorder. They concern all applications."""

    def __init__(self, groups: RecordGroupPort) -> None:
        self._groups = groups

    def routes(self) -> tuple[ApiRoute, ...]:
        found = Answer(description="the groups and those that are recorded for them", schema=rest.GROUPS)
        return (
            _acting("startup", self.startup, "make a group of recordings, without members", rest.GROUP),
            _acting("add", self.add, "record a publication for a group", rest.GROUP_MEMBER),
            _acting("remove", self.remove, "end the recording of a publication for a group", rest.GROUP_MEMBER),
            _acting("terminate", self.terminate, "end a group and its recordings", rest.GROUP),
            finding_route(
                f"{_PATH}/find_all",
                self.find_all,
                "list the groups of recordings",
                rest.NO_FIELDS,
                {404: "there are no groups", 503: NODES_SILENT},
                found,
                query=NO_QUERY,
            ),
        )

    async def startup(self, request: Request) -> Response:
        """Make a group. Its recordings begin with `add`."""
        uri = await _read(request, rest.parse_group)
        with _explained(exists="there is a group with this uri already"):
            await self._groups.begin(uri)
        return _done(request, uri)

    async def add(self, request: Request) -> Response:
        """Record a publication for a group, in its own files."""
        uri, media_session_id = await _read(request, rest.parse_member)
        query = StreamFilter(published=True, media_session_ids=frozenset({media_session_id}))
        with (
            _explained(exists="the publication is recorded for this group already", key="mediaSessionId"),
            trio.move_on_after(START_TIMEOUT) as waiting,
        ):
            await self._groups.add(uri, query)
        if waiting.cancelled_caught:
            raise RestError(HTTPStatus.SERVICE_UNAVAILABLE, "the recording did not begin in time")
        return _done(request, uri, id=media_session_id)

    async def remove(self, request: Request) -> Response:
        """End a member's recording. The others go on."""
        uri, media_session_id = await _read(request, rest.parse_member)
        with _explained():
            await self._groups.remove(uri, media_session_id)
        return _done(request, uri, id=media_session_id)

    async def terminate(self, request: Request) -> Response:
        """End a group. Its files, and the JSON that lists them, appear a moment later."""
        uri = await _read(request, rest.parse_group)
        with _explained():
            await self._groups.end(uri)
        return _done(request, uri)

    async def find_all(self, request: Request) -> Response:
        """All groups. POST takes an empty body or none."""
        check_unbound(request.scope, "a group of recordings")
        rest.parse_find_all(await search_fields(request, rest.NO_FIELDS, NO_QUERY))
        found = await self._groups.groups()
        if not found.total:
            return nothing_found(request, "group of recordings", found)
        shown = [rest.group_object(each.uri, each.media_session_ids, each.file_name) for each in found.items]
        return JsonAnswer(shown, headers=coverage_headers(found.coverage))


def _acting(method: str, endpoint: Endpoint, summary: str, fields: FieldTable) -> ApiRoute:
    return acting_route(f"{_PATH}/{method}", endpoint, summary, fields, _ERRORS, query=NO_QUERY)


async def _read(request: Request, parse: Callable[[bytes], T]) -> T:
    check_unbound(request.scope, "a group of recordings")
    return parse(await request.body())


@contextmanager
def _explained(*, exists: str = "", key: str = "uri") -> Iterator[None]:
    """Refusals as answers of REST. `exists`: what it means here that there is such a one, by the field `key`."""
    try:
        yield
    except NoSuchGroup:
        raise not_found("there is no group of recordings with this uri") from None
    except GroupExists:
        raise RestError(HTTPStatus.CONFLICT, exists, key=key) from None
    except NoSuchPublication:
        raise not_found(NO_PUBLICATION) from None
    except NoSuchRecording:
        raise not_found("the publication is not being recorded for this group") from None
    except RecordingRefused as refused:
        raise recording_refusal(refused) from None


def _done(request: Request, uri: str, **fields: str) -> Response:
    note(request.scope, uri=uri, **fields)
    log.info("group of recordings changed by rest", uri=uri, **fields, **caller_fields(request.scope))
    return empty_answer({})
