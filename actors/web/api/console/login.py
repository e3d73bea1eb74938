"""`/page/login` and `/page/logout`: how people log in to the start page and out of it."""

from starlette.requests import Request
from starlette.responses import Response

from actors.access.control import AccessControl
from actors.access.page_login import PAGE_LIFETIME
from actors.web.api.routes import ApiRoute
from actors.web.login_check import certificate_of, refused_login
from actors.web.refusals import Refusals, client_address
from actors.web.request_ids import request_id
from actors.web.responses import JsonAnswer, empty_answer
from protocol.access.credentials import BadCredentials, Basic, Bearer, read_authorization
from protocol.access.identity import Identity
from protocol.access.refusals import LoginRefused
from protocol.rest.errors import bad_request
from protocol.rest.fields import NO_QUERY
from protocol.rest.operations import ANYONE
from protocol.rest.query import read_query
from protocol.rest.resources.page_login import LOGIN, login_object, parse_login


class PageLoginResource:
    """What the page's login form calls. Anybody may call it; attempts are limited like every login."""

    def __init__(self, access: AccessControl, refusals: Refusals) -> None:
        self._access = access
        self._refusals = refusals

    def routes(self) -> tuple[ApiRoute, ...]:
        return (
            ApiRoute(
                path="/page/login",
                endpoint=self.ask,
                role=ANYONE,
                summary="ask whether the start page must log in",
                fields=NO_QUERY,
                is_described=False,
            ),
            ApiRoute(
                path="/page/login",
                methods=("POST",),
                endpoint=self.log_in,
                role=ANYONE,
                summary="log in to the start page",
                fields=LOGIN,
                query=NO_QUERY,
                is_described=False,
            ),
            ApiRoute(
                path="/page/logout",
                methods=("POST",),
                endpoint=self.log_out,
                role=ANYONE,
                summary="end the token of the start page that is sent as Bearer",
                needs_body=False,
                query=NO_QUERY,
                is_described=False,
            ),
        )

    async def ask(self, request: Request) -> Response:
        """Whether the page needs a login: not while authentication is off, or with a client certificate.

        It does not look at `Authorization`: nobody can try passwords here.
        """
        NO_QUERY.read(read_query(request.scope["query_string"]))
        try:
            await self._access.identify(certificate_of(request.scope))
        except LoginRefused:
            return JsonAnswer({"required": True})
        return JsonAnswer({"required": False})

    async def log_in(self, request: Request) -> Response:
        """A token for the page."""
        NO_QUERY.read(read_query(request.scope["query_string"]))
        given = parse_login(await request.body())
        try:
            token, identity = await self._open(given, client_address(request.scope))
        except LoginRefused as refused:
            self._write(request, refused.user or "unknown", refused)
            return refused_login(self._refusals, request.scope, request.headers, refused)
        self._write(request, str(identity), None)
        return JsonAnswer(login_object(identity, token, PAGE_LIFETIME))

    async def log_out(self, request: Request) -> Response:
        """Forget the token; nothing happens if it is none of a page."""
        NO_QUERY.read(read_query(request.scope["query_string"]))
        try:
            given = read_authorization(request.headers.get("authorization", ""))
        except BadCredentials as error:
            raise bad_request(error.message) from None
        if isinstance(given, Bearer):
            await self._access.pages.close_page(given.token)
        return empty_answer({})

    async def _open(self, given: Basic | str, address: str) -> tuple[str, Identity]:
        if isinstance(given, Basic):
            return await self._access.log_in(given, address)
        return await self._access.follow_link(given, address)

    def _write(self, request: Request, who: str, refused: LoginRefused | None) -> None:
        write = self._access.audit.done if refused is None else self._access.audit.refused
        write(
            who=who,
            source=client_address(request.scope),
            what="POST /page/login",
            result="logged in" if refused is None else refused.message,
            request=request_id(request.scope),
        )
