"""`/healthz` and `/readyz`: is this process alive, and does it accept clients. They describe this process only."""

from collections.abc import Callable

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response

from actors.web.api.routes import ApiRoute
from actors.web.responses import JsonAnswer
from protocol.rest.operations import ANYONE, Answer
from protocol.rest.schemas import HEALTH, READINESS


@frozen(kw_only=True)
class Readiness:
    """Whether the server accepts work: yes, unless something is `missing` (such as "shutting down").

    `degraded`: what does not work, and is no reason to send clients elsewhere.
    """

    missing: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        return not self.missing


class Health:
    """The probes of a load balancer or a process manager."""

    def __init__(self, ready: Callable[[], Readiness]) -> None:
        self._ready = ready

    def routes(self) -> tuple[ApiRoute, ...]:
        return (
            ApiRoute(
                path="/healthz",
                endpoint=self.healthz,
                role=ANYONE,
                summary="is the process alive",
                answers=(Answer(description="it is", schema=HEALTH),),
            ),
            ApiRoute(
                path="/readyz",
                endpoint=self.readyz,
                role=ANYONE,
                summary="does the server accept clients",
                answers=(
                    Answer(description="it does", schema=READINESS),
                    Answer(description="it does not, or not yet; `missing` says why", status=503, schema=READINESS),
                ),
            ),
        )

    async def healthz(self, _request: Request) -> Response:
        """200 as long as this process can answer."""
        return JsonAnswer({"alive": True})

    async def readyz(self, _request: Request) -> Response:
        """200 while everything is open and no shutdown has begun, else 503 with what is missing."""
        state = self._ready()
        body: dict[str, object] = {"ready": state.ready, "missing": list(state.missing)}
        if state.degraded:
            body["degraded"] = list(state.degraded)
        return JsonAnswer(body, status_code=200 if state.ready else 503)
