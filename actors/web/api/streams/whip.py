"""WHIP and WHEP over HTTP (RFC 9725, draft-ietf-wish-whep).

    POST /whip/NAME, /whep/NAME, /rest-api/stream/publish/NAME     offer -> 201, answer, Location
    DELETE Location                                                ends it
    OPTIONS                                                        204, Accept-Post

All candidates are in the answer, and the server is ICE-lite, so there is nothing to PATCH (405).
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import trio
from starlette.requests import Request
from starlette.responses import Response

from actors.node.ports.whip import WhipAnswer, WhipPort, WhipRequest
from actors.web.api.routes import ApiRoute
from actors.web.open_paths import allows_origin
from actors.web.refusals import Refusals, client_address
from config.settings import Settings
from protocol.rest.errors import RestError
from protocol.rest.fields import NO_QUERY
from protocol.rest.operations import ANYONE, Answer
from protocol.rest.query import read_query
from protocol.rest.resources.whip import APP, OPEN_QUERY, SDP_TYPE, read_name, read_offer, read_token

RETRY_AFTER: Final = "5"
"""Seconds."""
_ACCEPTED: Final[Mapping[str, str]] = {"Accept-Post": SDP_TYPE}
_SDP: Final = {"type": "string"}
_ADDED: Final[Mapping[int, Mapping[str, str]]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": 'Bearer realm="whip"'},
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: _ACCEPTED,
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": RETRY_AFTER},
}
"""Headers of errors."""
_ERRORS: Final = {
    400: "the offer or the application key cannot be used",
    401: "the backend refuses the connection",
    403: "the backend refuses the stream, or a ban does, or `ws.allowed_origins`",
    404: "nobody publishes this stream",
    406: "no common codec",
    409: "the name is in use",
    415: "the body is not `application/sdp`",
    503: "the server is overloaded or draining, or has too many sessions",
}
_END_ERRORS: Final = {
    401: "the token is missing",
    403: "the backend refuses the end",
    404: "there is no such session",
    409: "another token than that of the POST",
}


class WhipResource:
    """The routes of both protocols; anybody may call them, the backend decides."""

    def __init__(self, port: WhipPort, settings: Settings, refusals: Refusals) -> None:
        self._port = port
        self._settings = settings
        self._refusals = refusals

    def routes(self) -> tuple[ApiRoute, ...]:
        paths = {"/whip": "publish by WHIP", "/rest-api/stream/publish": "the same", "/whep": "play by WHEP"}
        return tuple(
            route for path, summary in paths.items() for route in (self._endpoint(path, summary), self._resource(path))
        )

    def _endpoint(self, path: str, summary: str) -> ApiRoute:
        return ApiRoute(
            path=f"{path}/{{name:str}}",
            methods=("POST", "OPTIONS"),
            endpoint=self.play if path == "/whep" else self.publish,
            role=ANYONE,
            summary=summary,
            description="`Authorization: Bearer` is a token for the backend: it gets it as `custom.token`.",
            query=OPEN_QUERY,
            body=_SDP,
            body_type=SDP_TYPE,
            answers=(
                Answer(description="the answer", status=201, schema=_SDP, media_type=SDP_TYPE, headers=("Location",)),
                Answer(description="what a POST may have", status=204),
            ),
            errors=_ERRORS,
        )

    def _resource(self, path: str) -> ApiRoute:
        return ApiRoute(
            path=f"{path}/{{name:str}}/{{id:str}}",
            methods=("DELETE", "OPTIONS"),
            endpoint=self.end,
            role=ANYONE,
            summary="end what a POST has begun: the path is its `Location`",
            query=NO_QUERY,
            answers=(Answer(description="it has ended"), Answer(description="what there is", status=204)),
            errors=_END_ERRORS,
        )

    async def publish(self, request: Request) -> Response:
        """WHIP."""
        return await self._serve(request, published=True)

    async def play(self, request: Request) -> Response:
        """WHEP."""
        return await self._serve(request, published=False)

    async def _serve(self, request: Request, *, published: bool) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=HTTPStatus.NO_CONTENT, headers=_ACCEPTED)
        try:
            answer = await self._open(request, await self._read(request, published=published))
        except RestError as error:
            return self._refuse(request, error)
        if answer is None:
            return Response(status_code=HTTPStatus.SERVICE_UNAVAILABLE)
        headers = {"Location": answer.location}
        return Response(answer.sdp, status_code=HTTPStatus.CREATED, media_type=SDP_TYPE, headers=headers)

    async def _open(self, request: Request, wanted: WhipRequest) -> WhipAnswer | None:
        """The answer; None if the client leaves before that, or the server stops."""
        outcome: WhipAnswer | RestError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_when_gone, request, nursery.cancel_scope)
            try:
                outcome = await self._port.open(wanted)
            except RestError as error:
                outcome = error
            nursery.cancel_scope.cancel()
        if isinstance(outcome, RestError):
            raise outcome
        return outcome

    async def end(self, request: Request) -> Response:
        """End it: 200, as RFC 9725 4.2 has it."""
        if request.method == "OPTIONS":
            return Response(status_code=HTTPStatus.NO_CONTENT)
        try:
            self._check_origin(request)
            NO_QUERY.read(read_query(request.scope["query_string"]))
            await self._port.close(_path(request), read_token(request.headers.getlist("authorization")))
        except RestError as error:
            return self._refuse(request, error)
        return Response(status_code=HTTPStatus.OK)

    async def _read(self, request: Request, *, published: bool) -> WhipRequest:
        self._check_origin(request)
        scope, headers = request.scope, request.headers
        query = OPEN_QUERY.read(read_query(scope["query_string"]))
        token = read_token(headers.getlist("authorization"))
        offer = read_offer(headers.get("content-type"), await request.body())
        return WhipRequest(
            published=published,
            name=read_name(request.path_params["name"]),
            offer=offer,
            token=token,
            app_key=query[APP] or self._settings.whip_app or "",
            path=_path(request),
            client=(client_address(scope), scope["client"][1] if scope["client"] else 0),
            server=scope["server"] or ("unknown", 0),
            origin=headers.get("origin"),
            user_agent=headers.get("user-agent"),
        )

    def _check_origin(self, request: Request) -> None:
        if not allows_origin(request.headers.get("origin"), self._settings.ws_allowed_origins):
            reason = "this origin is not named in ws.allowed_origins"
            raise RestError(HTTPStatus.FORBIDDEN, reason, setting="ws.allowed_origins")

    def _refuse(self, request: Request, error: RestError) -> Response:
        return self._refusals.answer(request.scope, error, _ADDED.get(error.status_hint))


async def _cancel_when_gone(request: Request, scope: trio.CancelScope) -> None:
    """Wait for the client to leave: its body has been read, so that nothing else is received."""
    await request.receive()
    scope.cancel()


def _path(request: Request) -> str:
    """The path of the request, percent-encoded in one way."""
    return quote(request.scope["path"], safe="/")
