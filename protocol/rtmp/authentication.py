"""A user and a password for a target, as Adobe's media servers and those that follow them ask for it (`authmod=adobe`).

It takes three connections, since a target that refuses `connect` ends the connection:

    connect, app                                          refused: code=403 need auth; authmod=adobe
    connect, app?authmod=adobe&user=U                     refused: ?reason=needauth&salt=S&challenge=C&opaque=O
    connect, app?authmod=adobe&user=U&challenge=OURS&response=R

Nobody has specified it; this is what FFmpeg and librtmp send.
"""

import base64
import hashlib
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from attrs import field, frozen

MOST_CONNECTIONS: Final = 3
_MARK: Final = "authmod="
_METHOD: Final = "authmod=adobe"
_PLAIN: Final = "!$'()*,-./:;@_~"
"""What a name may have as it is, beside letters and digits; the rest would end it, and goes as %XX."""


class AuthenticationRefused(ValueError):
    """The target does not let this user publish; the text is ours, without any secret."""


@frozen(kw_only=True)
class RtmpUser:
    """Who publishes."""

    name: str
    password: str = field(repr=False)


def next_parameters(refusal: str, user: RtmpUser | None, random: Callable[[int], bytes]) -> str | None:
    """What the next connection adds to its application, after this refusal; None: it has other reasons.

    Raises AuthenticationRefused.
    """
    if _MARK not in refusal:
        return None
    if user is None:
        raise AuthenticationRefused("it wants a user and a password: rtmp://USER:PASSWORD@...")
    if _METHOD not in refusal:
        raise AuthenticationRefused("it wants a user to prove himself in another way than Adobe's")
    asked = _parameters(refusal)
    match asked.get("reason"):
        case None if "need auth" in refusal:
            return f"?{_METHOD}&user={_written(user)}"
        case "needauth":
            return _response(asked, user, random(4).hex())
        case "nosuchuser":
            raise AuthenticationRefused("it does not know the user")
        case _:
            raise AuthenticationRefused("user or password is wrong")


def _response(asked: dict[str, str], user: RtmpUser, ours: str) -> str:
    opaque = asked.get("opaque")
    known = _digest(user.name + asked.get("salt", "") + user.password)
    response = _digest(known + (asked.get("challenge", "") if opaque is None else opaque) + ours)
    answer = f"?{_METHOD}&user={_written(user)}&challenge={ours}&response={response}"
    return answer if opaque is None else f"{answer}&opaque={opaque}"


def _written(user: RtmpUser) -> str:
    return quote(user.name, safe=_PLAIN)


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.md5(text.encode(), usedforsecurity=False).digest()).decode()


def _parameters(refusal: str) -> dict[str, str]:
    """What is after the first ?; values may hold =."""
    pairs = (each.partition("=") for each in refusal.partition("?")[2].strip().split("&"))
    return {name: value for name, _, value in pairs}
