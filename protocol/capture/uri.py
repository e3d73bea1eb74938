"""The URI of a source that the server captures: `rtsp://user:password@camera.example:554/path?query`.

Read strictly (RFC 3986), since the program that opens it reads it once more and must not find another host in it:
whatever two readers could understand differently is refused. A `vod:` URI names a file of one folder.
"""

import hashlib
import re
from enum import StrEnum
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

from attrs import field, frozen

MAX_LENGTH: Final = 2048
"""Characters of a URI."""


class CaptureScheme(StrEnum):
    """How a source is read."""

    RTSP = "rtsp"
    RTSPS = "rtsps"
    RTMP = "rtmp"
    RTMPS = "rtmps"
    HTTP = "http"
    HTTPS = "https"
    VOD = "vod"
    VOD_LIVE = "vod-live"


DEFAULT_PORTS: Final = {
    CaptureScheme.RTSP: 554,
    CaptureScheme.RTSPS: 322,
    CaptureScheme.RTMP: 1935,
    CaptureScheme.RTMPS: 443,
    CaptureScheme.HTTP: 80,
    CaptureScheme.HTTPS: 443,
}
RTSP_SCHEMES: Final = frozenset({CaptureScheme.RTSP, CaptureScheme.RTSPS})
RTMP_SCHEMES: Final = frozenset({CaptureScheme.RTMP, CaptureScheme.RTMPS})
HTTP_SCHEMES: Final = frozenset({CaptureScheme.HTTP, CaptureScheme.HTTPS})
FILE_SCHEMES: Final = frozenset({CaptureScheme.VOD, CaptureScheme.VOD_LIVE})

_SCHEME = re.compile(r"(vod-live|vod|rtsps?|rtmps?|https?):", re.ASCII | re.IGNORECASE)
_PARTS = re.compile(
    r"[a-z-]+://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?", re.ASCII | re.IGNORECASE
)
_AUTHORITY = re.compile(
    r"(?:(?P<user>[^@\[\]]*)@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?", re.ASCII
)
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*", re.ASCII)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})|%[01][0-9A-Fa-f]|%7[Ff]")
_RTSP_OPTIONS: Final = frozenset(
    {"udp", "multicast", "tcp", "http", "https", "listen", "filter_src", "localaddr", "sources"}
)
"""Words of a query that FFmpeg takes for options of its own."""


class BadCaptureUri(ValueError):
    """It is no URI that can be captured; the text says why, without the URI."""


@frozen(kw_only=True)
class CaptureUri:
    """A URI that was read. `text` is as it was given; a `vod:` URI has a `file`, the others a host and a port."""

    text: str = field(repr=False)
    scheme: CaptureScheme
    host: str = ""
    """In lower case; an IPv6 address without brackets."""
    port: int = 0
    file: str = field(default="", repr=False)
    """Relative to the folder of such files; it has no `..`."""
    has_transport_option: bool = False
    """Whether its query has a word that FFmpeg takes for an RTSP option, such as `udp`."""

    @property
    def is_file(self) -> bool:
        return self.scheme in FILE_SCHEMES


def is_capture_name(name: str) -> bool:
    """Whether a stream of this name is a source to capture, be it a valid one or not.

    `http:` and `https:` URIs are, if their path ends with `.m3u8`.
    """
    found = _SCHEME.match(name)
    if found is None or not name.startswith("//", found.end()):
        return False
    if found[1].lower() not in HTTP_SCHEMES:
        return True
    return name.partition("#")[0].partition("?")[0].lower().endswith(".m3u8")


def capture_key(uri: str) -> str:
    """What is the same for a URI on all nodes, and does not tell it."""
    return hashlib.sha256(uri.encode(errors="surrogatepass")).hexdigest()


def read_capture_uri(name: str) -> CaptureUri:
    """The URI in a name of which `is_capture_name` is true. Raises BadCaptureUri."""
    if not is_capture_name(name):
        raise BadCaptureUri("is not the URI of a source that can be captured")
    if len(name) > MAX_LENGTH:
        raise BadCaptureUri(f"is longer than {MAX_LENGTH} characters")
    if not name.isprintable() or " " in name or "\\" in name:
        raise BadCaptureUri("has a space, a backslash or a character that cannot be printed")
    scheme = CaptureScheme(name.partition(":")[0].lower())
    if scheme in FILE_SCHEMES:
        return CaptureUri(text=name, scheme=scheme, file=_file(name.partition("://")[2]))
    if _BAD_ESCAPE.search(name):
        raise BadCaptureUri("has a % that is no escape, or the escape of a control character")
    return _of_host(name, scheme)


def _of_host(name: str, scheme: CaptureScheme) -> CaptureUri:
    parts = _PARTS.fullmatch(name)
    if parts is None:
        raise BadCaptureUri("has a fragment (#)")
    authority = _AUTHORITY.fullmatch(parts["authority"])
    if authority is None:
        raise BadCaptureUri("has no valid host and port (an @ or : in a password is written %40 or %3A, a / %2F)")
    if (authority["user"] or "").count(":") > 1:
        raise BadCaptureUri("has more than one : before the @ (one in a password is written %3A)")
    port = DEFAULT_PORTS[scheme] if authority["port"] is None else int(authority["port"])
    if not 0 < port < 65536:
        raise BadCaptureUri("has a port that is not between 1 and 65535")
    words = {word.partition("=")[0].lower() for word in re.split("[?&]", parts["query"] or "")}
    return CaptureUri(
        text=name,
        scheme=scheme,
        host=read_host(authority["host"]),
        port=port,
        has_transport_option=scheme in RTSP_SCHEMES and bool(words & _RTSP_OPTIONS),
    )


def read_host(text: str) -> str:
    """A host name or an address in the one form in which it is compared. Raises BadCaptureUri.

    Numbers that only old resolvers take for an address (`127.1`, `0x7f000001`, `2130706433`) are none.
    """
    try:
        if text.startswith("["):
            return str(IPv6Address(text[1:-1]))
        labels = text.lower().removesuffix(".").split(".")
        if _NUMBER.fullmatch(labels[-1]):
            return str(IPv4Address(text))
    except AddressValueError:
        raise BadCaptureUri("has a host that is no valid address") from None
    if len(text) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise BadCaptureUri("has a host that is no valid name")
    return ".".join(labels)


def _file(path: str) -> str:
    if not path or path.startswith("/") or any(part in {"", ".", ".."} for part in path.split("/")):
        raise BadCaptureUri("has no valid path: a file in the folder, or in a folder within it")
    if ":" in path or "?" in path or "#" in path:
        raise BadCaptureUri("has a : or ? or # in its path")
    return path
