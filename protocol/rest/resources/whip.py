"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): what a request must be, and what refusals answer."""

import hashlib
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from protocol.access.credentials import BadCredentials, Bearer, read_authorization
from protocol.rest.errors import RestError, bad_request
from protocol.rest.fields import TEXT, Field, FieldTable
from protocol.stream.info_texts import StreamInfo

SDP_TYPE: Final = "application/sdp"
MAX_OFFER: Final = 64 * 1024
"""Bytes of an offer; browsers write about 8 KiB."""
MAX_NAME: Final = 1024
"""Characters of a stream's name."""

APP: Final = Field("app", TEXT, "key of the application whose backend decides; by default that of the setting whip.app")
OPEN_QUERY: Final = FieldTable(APP, noun="query parameter")

_STATUSES: Final[Mapping[str, HTTPStatus]] = {
    StreamInfo.NO_COMMON_CODECS: HTTPStatus.NOT_ACCEPTABLE,
    StreamInfo.STREAM_NAME_ALREADY_IN_USE: HTTPStatus.CONFLICT,
    StreamInfo.SESSION_DOES_NOT_EXIST: HTTPStatus.NOT_FOUND,
    StreamInfo.PUBLISH_STREAM_IS_NOT_READY: HTTPStatus.NOT_FOUND,
    StreamInfo.FAILED_TO_GET_AGENT_STORAGE: HTTPStatus.NOT_FOUND,
    StreamInfo.STOPPED_BY_PUBLISHER_STOP: HTTPStatus.NOT_FOUND,
    StreamInfo.FAILED_TO_ADD_STREAM_TO_PROXY: HTTPStatus.BAD_REQUEST,
    StreamInfo.SERVER_IS_OVERLOADED: HTTPStatus.SERVICE_UNAVAILABLE,
    StreamInfo.SERVER_IS_DRAINING: HTTPStatus.SERVICE_UNAVAILABLE,
    StreamInfo.SESSION_NOT_READY: HTTPStatus.SERVICE_UNAVAILABLE,
    StreamInfo.STOPPED_BY_SESSION_DISCONNECT: HTTPStatus.SERVICE_UNAVAILABLE,
    StreamInfo.FAILED_BY_ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
}


def refusal_of_stream(info: str) -> RestError:
    """The error for a stream that did not begin because of `info`: 403 for what a backend or a ban says."""
    reason = "the offer cannot be used; the log of the server has the details"
    told = reason if info == StreamInfo.FAILED_TO_ADD_STREAM_TO_PROXY else info
    return RestError(_STATUSES.get(info, HTTPStatus.FORBIDDEN), told or "refused")


def unauthorized(info: str) -> RestError:
    """The backend has refused the connection; it is told the token."""
    return RestError(HTTPStatus.UNAUTHORIZED, info or "refused")


def unavailable(info: str, *, setting: str | None = None) -> RestError:
    """No room at the moment."""
    return RestError(HTTPStatus.SERVICE_UNAVAILABLE, info, setting=setting)


def read_offer(content_type: str | None, body: bytes) -> str:
    """The offer in a request. RestError: 415 for another media type, 413 if it is too large, 400 if it is no SDP."""
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type != SDP_TYPE:
        raise RestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the body must be an SDP offer, of the type {SDP_TYPE}")
    if len(body) > MAX_OFFER:
        raise RestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"an offer may have {MAX_OFFER} bytes")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise bad_request("the offer is not UTF-8") from None
    if not text.startswith("v=0"):
        raise bad_request("the body is no SDP: it must begin with v=0")
    return text


def read_name(name: str) -> str:
    """The name of a stream in a path. RestError (400) if it cannot be one."""
    if len(name) > MAX_NAME or not name.isprintable():
        raise bad_request(f"a name may have {MAX_NAME} characters, and no control characters")
    return name


def read_token(authorization: Sequence[str]) -> str | None:
    """The token in the values of `Authorization`; None without any. RestError: 400 for two, 401 for another scheme."""
    if not authorization:
        return None
    if len(authorization) > 1:
        raise bad_request("Authorization is given twice")
    try:
        shown = read_authorization(authorization[0])
    except BadCredentials as error:
        raise unauthorized(error.message) from None
    if not isinstance(shown, Bearer):
        raise unauthorized("Authorization must be Bearer")
    return shown.token


def token_digest(token: str | None) -> bytes:
    """What is kept of a token, to recognize it. No token is one as well."""
    return b"" if token is None else hashlib.sha256(token.encode(errors="surrogatepass")).digest()
