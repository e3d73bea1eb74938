"""What a request shows to prove who sends it: the header `Authorization` (RFC 7235, 7617, 6750)."""

import base64
import binascii

from attrs import field, frozen

from protocol.common.errors import ProtocolError

MAX_AUTHORIZATION = 8192
"""Characters of the header; more than any password or token needs."""


class BadCredentials(ProtocolError):
    """`Authorization` cannot be understood. The message never repeats what was sent."""


@frozen
class Basic:
    """A name and a password."""

    name: str
    password: str = field(repr=False)


@frozen
class Bearer:
    """A token."""

    token: str = field(repr=False)


def read_authorization(header: str) -> Basic | Bearer:
    """The credentials in the value of `Authorization`. BadCredentials for another scheme or a malformed value."""
    if len(header) > MAX_AUTHORIZATION:
        raise BadCredentials("Authorization is too long")
    scheme, _, rest = header.strip().partition(" ")
    match scheme.lower():
        case "basic":
            return _read_basic(rest.strip())
        case "bearer" if rest.strip():
            return Bearer(rest.strip())
        case "bearer":
            raise BadCredentials("Authorization: Bearer has no token")
    raise BadCredentials("Authorization must be Basic or Bearer")


def _read_basic(encoded: str) -> Basic:
    try:
        text = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise BadCredentials("Authorization: Basic is not base64") from None
    name, colon, password = _decoded(text).partition(":")
    if not colon:
        raise BadCredentials("Authorization: Basic has no colon between name and password")
    return Basic(name, password)


def _decoded(text: bytes) -> str:
    """UTF-8, as our challenge asks for; old clients send ISO-8859-1 (RFC 7617, 2.1)."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")
