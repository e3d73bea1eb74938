"""What web pages and their requests are called: origins, host names, tokens of HTTP."""

import re
from typing import Final

from attrs import field, frozen

from config.values.kinds import items_of
from protocol.rest.access import read_authority, read_origin

TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""A method, or a name of a header (RFC 9110 5.6.2)."""


@frozen
class Origins:
    """Origins of web pages, as browsers write them; see `read_origin`.

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
    """Raises ValueError."""
    origin = word if word == "*" else read_origin(word)
    if origin is None:
        scheme = word.partition("://")[0].lower() if "://" in word else "SCHEME"
        raise ValueError(f"has {word!r}, which is no origin: {scheme}://HOST or {scheme}://HOST:PORT, without a path")
    return origin


def _host_name(word: str) -> str:
    found = read_authority(word)
    if found is None or found.port is not None:
        raise ValueError(f"has {word!r}, which is no host name: write it without scheme, port and path")
    return found.host
