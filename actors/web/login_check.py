"""Lets a request in by its credentials and its role, or says what is missing.

A browser is told `Bearer` only: for a `Basic` challenge it opens its own login window, and the page's `fetch` waits for
that. Programs that know Basic (RFC 7617), such as those written for WCS, are told Basic.
"""

import math
from collections.abc import Callable
from http import HTTPStatus

from attrs import evolve
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from actors.access.control import AccessControl, ShownCredentials
from actors.web.callers import set_identity
from actors.web.http.asgi_exchange import CERTIFICATE
from actors.web.refusals import Refusals, client_address
from actors.web.request_ids import request_id
from protocol.access.credentials import BadCredentials
from protocol.access.identity import ANYBODY, Identity
from protocol.access.refusals import LoginRefused
from protocol.access.roles import Role
from protocol.common.errors import ProtocolError
from protocol.metrics.labels import one_of
from protocol.metrics.web_counts import WebCounts
from protocol.rest.errors import RestError, bad_request
from protocol.rest.operations import ANYONE

OWN_PAGE = "wcsd"
"""What the requests of our page carry as `X-Requested-With`."""

_BASIC = 'Basic realm="wcsd", charset="UTF-8"'
_BEARER = 'Bearer realm="wcsd"'


class LoginCheck:
    """Finds out who sends a request, and whether it may. `role_of`: what role a request needs; None: none at all."""

    def __init__(
        self, access: AccessControl, role_of: Callable[[Scope], Role | None], refusals: Refusals, counts: WebCounts
    ) -> None:
        self._access = access
        self._role_of = role_of
        self._refusals = refusals
        self._counts = counts

    @property
    def is_required(self) -> bool:
        return self._access.is_required

    async def refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """The response to a request that is not let in; None after its identity has been set."""
        needed = self._role_of(scope)
        if needed is ANYONE:
            set_identity(scope, ANYBODY, needed)
            return None
        try:
            identity = await self._identify(scope, headers)
        except BadCredentials as error:
            return self._refusals.answer(scope, bad_request(error.message))
        except LoginRefused as refused:
            self._note_refusal(scope, refused.user or "unknown", refused)
            return refused_login(self._refusals, scope, headers, refused)
        set_identity(scope, identity, needed)
        if identity.may(needed):
            return None
        forbidden = _forbidden(identity, needed)
        self._note_refusal(scope, str(identity), forbidden)
        return self._refusals.answer(scope, forbidden)

    async def _identify(self, scope: Scope, headers: Headers) -> Identity:
        """Who sends the request, counted. LoginRefused, BadCredentials."""
        scheme = scheme_of(headers)
        try:
            identity = await self._access.identify(credentials_of(scope, headers))
        except BadCredentials:
            self._counts.login(scheme, result="malformed")
            raise
        except LoginRefused as refused:
            is_throttled = refused.retry_after is not None
            self._counts.login(scheme, result="held_back" if is_throttled else "refused")
            raise
        if identity is not ANYBODY:
            self._counts.login(identity.proof.value, result="ok")
        return identity

    def _note_refusal(self, scope: Scope, who: str, error: ProtocolError) -> None:
        if isinstance(error, LoginRefused) and error.is_first_contact:
            return  # every program that waits to be asked for its password begins like this
        self._access.audit.refused(
            who=who,
            source=client_address(scope),
            what=f"{scope['method']} {scope['path']}",
            result=error.message,
            request=request_id(scope),
        )


def refused_login(refusals: Refusals, scope: Scope, headers: Headers, refused: LoginRefused) -> Response:
    """401 with a challenge, or 429 with the time to wait."""
    added = {}
    if refused.retry_after is not None:
        added["Retry-After"] = str(math.ceil(refused.retry_after))
    else:
        added["WWW-Authenticate"] = _BEARER if is_browser(headers) else _BASIC
    return refusals.answer(scope, RestError(refused.status_hint, refused.message), added)


def is_browser(headers: Headers) -> bool:
    """Whether a page sends this. Browsers leave `Sec-Fetch-Mode` out of plain http to other machines."""
    return headers.get("x-requested-with") == OWN_PAGE or "sec-fetch-mode" in headers or "origin" in headers


def credentials_of(scope: Scope, headers: Headers) -> ShownCredentials:
    """What the request shows of who sends it. BadCredentials if it does so twice."""
    given = headers.getlist("authorization")
    if len(given) > 1:
        raise BadCredentials("Authorization is given twice")
    return evolve(certificate_of(scope), authorization=given[0] if given else None)


def certificate_of(scope: Scope) -> ShownCredentials:
    """What the connection alone shows of who sends the request."""
    certificate = scope.get("state", {}).get(CERTIFICATE)
    return ShownCredentials(authorization=None, certificate=certificate, address=client_address(scope))


def scheme_of(headers: Headers) -> str:
    """How the request shows who sends it, as far as its header tells: a label."""
    scheme = headers.get("authorization", "none").partition(" ")[0].lower()
    return one_of(scheme, ("none", "basic", "bearer"))


def _forbidden(identity: Identity, needed: Role) -> RestError:
    return RestError(HTTPStatus.FORBIDDEN, f"this needs the role {needed}, and {identity} has {identity.role}")
