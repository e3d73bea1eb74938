"""The REST API's only error class, and its JSON form.

WCS answers an error with `{"exception", "reason", "path"}`. We use the same three keys, with short names in
`exception`. If a single request key or server setting is the cause, the answer names it too. Beside them are the
members of a problem (RFC 9457): `type`, `title`, `status` and `detail`.
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from protocol.common.errors import ProtocolError

PROBLEM_JSON: Final = "application/problem+json"


class RestError(ProtocolError):
    """A refused request. `key`: the JSON key or parameter at fault; `setting`: the setting that decides."""

    def __init__(self, status: int, message: str, *, key: str | None = None, setting: str | None = None) -> None:
        super().__init__(message, status_hint=status)
        self.key = key
        self.setting = setting


def bad_request(message: str, *, key: str | None = None, setting: str | None = None) -> RestError:
    """A request that is invalid or ambiguous: nothing was done."""
    return RestError(HTTPStatus.BAD_REQUEST, message, key=key, setting=setting)


def not_found(message: str) -> RestError:
    """Nothing matches, or there is no such resource."""
    return RestError(HTTPStatus.NOT_FOUND, message)


def error_body(status: int, reason: str, path: str) -> dict[str, Any]:
    """The JSON form of an error without further details. `status` must be a standard HTTP status.

    `type` is always `about:blank`: the status says what kind of problem it is (RFC 9457 4.2.1).
    """
    return {
        "exception": exception_name(status),
        "reason": reason,
        "path": path,
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": reason,
    }


def rest_error_body(error: RestError, path: str) -> dict[str, Any]:
    """The JSON form of `error`, with `key` and `setting` where they are known."""
    body = error_body(error.status_hint, error.message, path)
    if error.key is not None:
        body["key"] = error.key
    if error.setting is not None:
        body["setting"] = error.setting
    return body


def exception_name(status: int) -> str:
    """`BadRequest` for 400, `NotFound` for 404 and so on: the standard phrase as one word."""
    return HTTPStatus(status).phrase.title().replace(" ", "").replace("-", "")


def names_problem_json(accept: Iterable[str]) -> bool:
    """Whether the values of `Accept` name `application/problem+json`; wildcards do not, nor does `q=0`."""
    for media_range in ",".join(accept).split(","):
        name, *parameters = (part.strip().lower() for part in media_range.split(";"))
        if name == PROBLEM_JSON and not any(_is_zero_quality(each) for each in parameters):
            return True
    return False


def _is_zero_quality(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name.strip() == "q" and value.strip().rstrip("0") in ("", "0.", ".")
