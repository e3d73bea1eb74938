"""`/metrics`, for Prometheus."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from actors.metrics.exposition import CONTENT_TYPE
from actors.metrics.metrics import MAX_AGE
from actors.web.api.routes import ApiRoute
from actors.web.api.shared_snapshots import SharedSnapshots
from actors.web.callers import check_unbound
from protocol.access.roles import Role
from protocol.rest import schemas
from protocol.rest.operations import Answer


class MetricsResource:
    """The metrics, made once at a time and at most once a second: `make` looks at the whole server."""

    def __init__(self, make: Callable[[], Awaitable[bytes]]) -> None:
        self._make = make
        self._made: SharedSnapshots[bytes] = SharedSnapshots(MAX_AGE)

    def routes(self) -> tuple[ApiRoute, ...]:
        answer = Answer(description="the metrics", schema=schemas.TEXT, media_type="text/plain")
        return (
            ApiRoute(
                path="/metrics",
                endpoint=self.show,
                role=Role.METRICS,
                summary="get the metrics",
                description="In the text format of Prometheus, version 0.0.4.",
                answers=(answer,),
            ),
        )

    async def make(self) -> bytes:
        """The metrics, at most a second old."""
        return await self._made.get("metrics", self._make)

    async def show(self, request: Request) -> Response:
        """What Prometheus scrapes."""
        check_unbound(request.scope, "this")
        return Response(await self.make(), headers={"Content-Type": CONTENT_TYPE})
