"""`POST /rest-api/stream/snapshot`: a picture of a publication."""

from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from actors.node.ports.recorder import NoSuchPublication
from actors.node.ports.refusals import NodesSilent, OtherRefusal
from actors.node.ports.snapshot import NotInTime, NoVideo, SnapshotPort, SnapshotRefused
from actors.web.api.coverage import is_local
from actors.web.api.routes import ApiRoute
from actors.web.callers import narrowed, note
from actors.web.responses import JsonAnswer
from protocol.access.roles import Role
from protocol.node.filters import StreamFilter
from protocol.rest.errors import RestError, not_found
from protocol.rest.fields import TEXT, Field, FieldTable
from protocol.rest.operations import Answer
from protocol.rest.query import read_query
from protocol.rest.resources import snapshots as rest
from protocol.stream.pictures import PictureFormat, PictureSpec

ID: Final = Field("id", TEXT, "media session id of the stream")
PICTURE_QUERY: Final = FieldTable(ID, required=(ID,), noun="query parameter")
THUMBNAIL: Final = PictureSpec(format=PictureFormat.JPEG, width=320)
"""A little larger than the console shows it."""


class SnapshotResource:
    """The method `snapshot` of the stream group."""

    def __init__(self, snapshots: SnapshotPort) -> None:
        self._snapshots = snapshots

    def routes(self) -> tuple[ApiRoute, ...]:
        return (
            ApiRoute(
                path="/rest-api/stream/snapshot",
                methods=("POST",),
                endpoint=self.snapshot,
                role=Role.VIEW,
                summary="take a picture of a stream",
                description="All who ask for the same picture within a second get the same one.",
                fields=rest.SNAPSHOT,
                query=rest.SNAPSHOT_QUERY,
                answers=(Answer(description="the picture", schema=rest.PICTURE),),
                errors={
                    404: "nobody publishes under this name",
                    409: "the stream has no video",
                    503: "too many pictures are being taken, or this one could not be",
                    504: "the publisher has sent no key frame in time",
                },
            ),
            ApiRoute(
                path="/page/picture",
                endpoint=self.thumbnail,
                role=Role.VIEW,
                summary="a small picture of a stream",
                query=PICTURE_QUERY,
                is_described=False,
            ),
        )

    async def snapshot(self, request: Request) -> Response:
        """The next key frame as a picture."""
        spec = rest.parse_spec(read_query(request.scope["query_string"]))
        snapshots = self._snapshots.here if is_local(request, rest.SNAPSHOT_QUERY) else self._snapshots
        name = rest.parse_snapshot(await request.body())
        query = narrowed(request.scope, StreamFilter(name=name, published=True))
        note(request.scope, filter={"name": name})
        try:
            picture = await snapshots.take(query, spec)
        except NoSuchPublication:
            raise not_found("nobody publishes under this name") from None
        except SnapshotRefused as refused:
            raise RestError(_status(refused), refused.info, setting=refused.setting) from None
        return Response(rest.picture_body(picture.data), media_type="application/json")

    async def thumbnail(self, request: Request) -> Response:
        """A picture for the console's tables, of a stream by its id; without one, why. That is no error of the page."""
        wanted = PICTURE_QUERY.read(read_query(request.scope["query_string"]))[ID] or ""
        query = narrowed(request.scope, StreamFilter(media_session_ids=frozenset({wanted})))
        try:
            picture = await self._snapshots.take(query, THUMBNAIL)
        except NoSuchPublication:
            return JsonAnswer({"info": "The stream has ended"})
        except NodesSilent:
            return JsonAnswer({"info": "The node of the stream does not answer"})
        except (SnapshotRefused, OtherRefusal) as refused:
            return JsonAnswer({"info": refused.info})
        return Response(rest.picture_body(picture.data), media_type="application/json")


def _status(refused: SnapshotRefused) -> HTTPStatus:
    match refused:
        case NoVideo():
            return HTTPStatus.CONFLICT
        case NotInTime():
            return HTTPStatus.GATEWAY_TIMEOUT
    return HTTPStatus.SERVICE_UNAVAILABLE
