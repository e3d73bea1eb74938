"""Where a stream is pushed to: `rtmp[s]://host[:port]/application/...`, and the stream's name there.

The last part of the path is what is published: a key that lets everybody publish, and therefore a secret.
"""

import re
from typing import Final
from urllib.parse import unquote

from attrs import field, frozen

from protocol.common.masking import HIDDEN, masked_uri
from protocol.rtmp.authentication import RtmpUser

MAX_LENGTH: Final = 2048
"""Characters of a URL."""
_URL: Final = re.compile(
    r"(?P<scheme>rtmps?)://(?:(?P<user>[^@/?#]*)@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[^?]*)?(?P<query>\?.*)?",
    re.ASCII | re.IGNORECASE,
)
_BAD_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")
_FORBIDDEN: Final = frozenset(" \\#")
_PORTS: Final = {"rtmp": 1935, "rtmps": 443}


class BadTarget(ValueError):
    """The URL names nothing that can be pushed to; the text says why, without the URL."""


@frozen(kw_only=True)
class RtmpTarget:
    """See above. `url` is what was asked for."""

    url: str = field(repr=False)
    shown: str
    """The URL without what is secret in it."""
    host: str
    """A name or an address; an IPv6 address without brackets."""
    port: int
    is_secure: bool
    app: str = field(repr=False)
    key: str = field(repr=False)
    """The stream's name at the target."""
    tc_url: str = field(repr=False)
    """The URL of the application, which the target is told."""
    user: RtmpUser | None = field(default=None, repr=False)
    """Who publishes, if the target asks."""


def read_target(url: str, name: str, *, is_full: bool) -> RtmpTarget:
    """Read a URL: of an application, to which the stream's `name` there is added, or the whole of it, if `is_full`.

    Raises BadTarget.
    """
    found = _parts(url)
    user = None if found["user"] is None else _user(found["user"])
    scheme, path = found["scheme"].lower(), (found["path"] or "").strip("/")
    query = found["query"] or ""
    if not path:
        raise BadTarget("has no application")
    if is_full:
        app, slash, key = path.rpartition("/")
        if not slash:
            raise BadTarget("has no key after the application")
        key += query
    else:
        app, key = path + query, name
    port = _PORTS[scheme] if found["port"] is None else int(found["port"])
    if not 0 < port < 65536:
        raise BadTarget("has a port that is not between 1 and 65535")
    authority = found["host"] if found["port"] is None else f"{found['host']}:{found['port']}"
    return RtmpTarget(
        url=url,
        shown=masked_uri(url),
        host=found["host"].strip("[]").lower(),
        port=port,
        is_secure=scheme == "rtmps",
        app=app,
        key=key,
        tc_url=f"{scheme}://{authority}/{app}",
        user=user,
    )


def _user(text: str) -> RtmpUser:
    """`USER:PASSWORD`; what is written as %XX, such as a colon in the name, is decoded once (RFC 3986 section 2.4)."""
    if _BAD_ESCAPE.search(text):
        raise BadTarget("has a % in its user or password that begins no %XX (a % itself is written %25)")
    try:
        name, _, password = (unquote(part, errors="strict") for part in text.partition(":"))
    except UnicodeDecodeError:
        raise BadTarget("has a user or a password that is no UTF-8") from None
    if not name or not password or not f"{name}{password}".isprintable():
        raise BadTarget("has a user without a password, or characters in them that cannot be")
    return RtmpUser(name=name, password=password)


def without_secrets(text: str, key: str, app: str, parameters: str = "") -> str:
    """What a target says, without the key, what else of its URL is secret, and the `parameters` that prove a user."""
    path, _, query = app.partition("?")
    _, _, more = path.partition("/")
    for secret in (parameters, key, key.partition("?")[0], query, more):
        if secret:
            text = text.replace(secret, HIDDEN)
    return text


def _parts(url: str) -> "re.Match[str]":
    if len(url) > MAX_LENGTH or not url.isprintable() or not _FORBIDDEN.isdisjoint(url):
        raise BadTarget("has a space or a character that is none of a URL, or is too long")
    found = _URL.fullmatch(url)
    if found is None:
        raise BadTarget("is not rtmp://HOST[:PORT]/APPLICATION or rtmps://...")
    return found
