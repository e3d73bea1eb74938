"""Kicking somebody, and keeping them out for a while: what REST orders when it ends a stream or a session."""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from attrs import define, frozen

MAX_IDENTIFIER: Final = 1024
"""Characters of a user's name that are looked at."""


class BanBy(StrEnum):
    """Whom a ban is for, of those who did what has been ended."""

    NAME = "name"
    """Everybody who wants to do the same with a stream of this name."""
    USER = "user"
    """The user, as the page or the backend names it; else the holder of the token; else, for a stream, the session."""
    ADDRESS = "address"
    """Everybody at the client's address, or in its IPv6 /64."""


@define(eq=False, kw_only=True)
class BanOrder:
    """A ban of everything that one request ends."""

    seconds: float
    by: BanBy | None = None
    """None: publications by name, playbacks and sessions by user."""
    reason: str | None = None
    placed: int = 0
    """How many bans it has led to."""


@frozen(kw_only=True)
class Kick:
    """What a request to end something asks for besides that."""

    reason: str | None = None
    """Text for the client and the backend, in place of the usual one."""
    ban: BanOrder | None = None


PLAIN_KICK: Final = Kick()
"""Nothing besides that."""


@frozen(kw_only=True)
class Subject:
    """Who a session, or any other owner of streams, is."""

    app_key: str
    session_id: str
    user: str | None = None
    token: str | None = None
    """SHA-256 of it, in hexadecimal."""
    address: str | None = None
    """An IPv4 address or an IPv6 /64."""

    @property
    def client(self) -> str:
        """What tells clients apart that share something: the address, else the session."""
        return self.address or self.session_id

    @classmethod
    def of_connection(cls, body: Mapping[str, Any], *, app_key: str, session_id: str, address: str | None) -> "Subject":
        """By a `connection` frame, or the backend's answer to it: `custom.login` or `sipLogin`, and `custom.token`.

        Neither the user's name nor the token is verified here: that is the backend's part at `connect`.
        """
        custom = body.get("custom")
        told = custom if isinstance(custom, Mapping) else {}
        token = _text(told.get("token"))
        return cls(
            app_key=app_key,
            session_id=session_id,
            user=_text(told.get("login")) or _text(body.get("sipLogin")),
            token=None if token is None else hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest(),
            address=address,
        )

    @property
    def identity(self) -> str | None:
        """The user, or else the token, as bans name it; None if neither is known."""
        if self.user is not None:
            return f"user:{self.user}"
        return None if self.token is None else f"token:{self.token}"

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that a ban may call this subject by."""
        known = {"user": self.user, "token": self.token, "address": self.address, "session": self.session_id}
        return tuple(f"{kind}:{value}" for kind, value in known.items() if value is not None)


def _text(value: Any) -> str | None:
    return value[:MAX_IDENTIFIER] if isinstance(value, str) and value else None
