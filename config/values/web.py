"""What web pages and their requests are called: origins, host names, tokens of HTTP."""

import re
from typing import Final

from attrs import field, frozen

from config.values.kinds import items_of
from protocol.rest.access import DEFAULT_PORTS, read_authority

TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""A method, or a name of a header (RFC 9110 5.6.2)."""

_OTHER_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s]*")
_HIGHEST_PORT = 65535


@frozen
class Origins:
    """Origins of web pages, as browsers write them: in lower case, without the port that is the scheme's own.

    What a browser never sends is refused, because it would keep out the very pages that it was written for.
    """

    needed: bool = False

    @property
    def allowed(self) -> str:
        return f"origins such as https://example.com, or *, separated by commas{'' if self.needed else '; or empty'}"

    def read(self, text: str) -> tuple[str, ...]:
        words = items_of(text)
        if self.needed and not words:
            raise ValueError("is empty")
        return tuple(dict.fromkeys(map(_origin, words)))


@frozen
class HostNames:
    """Names by which this server is called, in lower case."""

    allowed: str = field(default="host names without a port, separated by commas; or empty", init=False)

    def read(self, text: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(_host_name, items_of(text))))


def _origin(word: str) -> str:
    """The origin in the form of RFC 6454 6.2; `null` is that of sandboxed pages and files. Raises ValueError."""
    if word in ("*", "null"):
        return word
    scheme, separator, rest = word.partition("://")
    scheme, authority = scheme.lower(), rest.removesuffix("/")
    default_port = DEFAULT_PORTS.get(scheme)
    if default_port is None:  # of an app or an extension: capacitor://localhost
        origin = f"{scheme}://{authority}"
        if not separator or not _OTHER_SCHEME.fullmatch(origin):
            raise ValueError(f"has {word!r}, which is no origin: SCHEME://HOST or SCHEME://HOST:PORT, without a path")
        return origin
    found = read_authority(authority)
    if found is None or (found.port or 1) > _HIGHEST_PORT:
        raise ValueError(f"has {word!r}, which is no origin: {scheme}://HOST or {scheme}://HOST:PORT, without a path")
    host = f"[{found.host}]" if ":" in found.host else found.host
    return f"{scheme}://{host}" if found.port in (None, default_port) else f"{scheme}://{host}:{found.port}"


def _host_name(word: str) -> str:
    found = read_authority(word)
    if found is None or found.port is not None:
        raise ValueError(f"has {word!r}, which is no host name: write it without scheme, port and path")
    return found.host
