"""Why somebody who calls the REST API is not let in."""

from http import HTTPStatus

from protocol.common.errors import ProtocolError


class LoginRefused(ProtocolError):
    """No credentials, wrong ones (401), or too many attempts (429), in which case `retry_after` is in seconds.

    The message is the same for an unknown user and for a wrong password. `user` is the name of a known user only: a
    password that was typed into the wrong field must not appear in a log.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        user: str | None = None,
        is_first_contact: bool = False,
    ) -> None:
        status = HTTPStatus.UNAUTHORIZED if retry_after is None else HTTPStatus.TOO_MANY_REQUESTS
        super().__init__(message, status_hint=status)
        self.retry_after = retry_after
        self.user = user
        self.is_first_contact = is_first_contact
        """Nothing was tried: the request came without credentials."""


def no_credentials() -> LoginRefused:
    return LoginRefused("log in: send a user and password (Basic) or a token (Bearer)", is_first_contact=True)


def wrong_password(user: str | None) -> LoginRefused:
    return LoginRefused("wrong user or password", user=user)


def wrong_token() -> LoginRefused:
    return LoginRefused("this token is unknown, expired or revoked")


def dead_link() -> LoginRefused:
    return LoginRefused("this link has been used or has expired; make another one with `wcs console`")


def too_many_failures(seconds: float) -> LoginRefused:
    return LoginRefused("too many failed logins from this address", retry_after=seconds)


def too_many_logins() -> LoginRefused:
    return LoginRefused("too many logins at once", retry_after=1.0)
