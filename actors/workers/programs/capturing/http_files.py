"""The files of an HLS source, by the HTTP client of Python: playlists, segments, keys.

FFmpeg's own checks the certificate of the server that has the playlist, and of no other that it leads to. This one
checks all, follows redirects to nothing but http: and https:, and gives up at a time that others decide.
"""

import encodings.idna  # noqa: F401 - else it would be imported late, when no file can be read any more
import http.client
import http.cookiejar
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from email.message import Message
from typing import Any, Final, TypeVar
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

from config.version import VERSION

OPTIONS: Final = {"http_persistent": "0", "http_multiple": "0", "http_seekable": "0"}
"""What FFmpeg must be told so that it leaves connections to us."""
_ENCRYPTED: Final = ("crypto+", "crypto:")
"""How FFmpeg names a segment that is encrypted by AES-128."""
_AS_THEY_ARE: Final = "!$%&'()*+,/:;=?@[]\\^`{|}\"<>"
"""Characters of a path or a query that go out as they came; others, such as letters of any language, as %XX."""
MOST_COOKIES: Final = 50
"""That servers may leave with us; with one more, the oldest goes. Browsers keep at least so many of a domain (RFC 6265
section 6.1)."""
LONGEST_COOKIE: Final = 4096
"""Characters of its name, value and attributes; a longer one is not kept."""
MOST_PASSWORDS: Final = 100
"""Places that a user and a password are remembered for; with one more, the oldest is forgotten."""
_BLOCK: Final = 16
_WHY: Final = {401: "unauthorized", 403: "unauthorized", 404: "not-found", 410: "not-found"}


T = TypeVar("T")


class FileUnavailable(Exception):
    """A file cannot be had; the text is a word for the server."""


def trust(ca_file: str | None, *, verify: bool) -> ssl.SSLContext:
    """What certificates are trusted. Reads files. Raises OSError."""
    context = ssl.create_default_context(cafile=ca_file)
    if not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class _Passwords(urllib.request.HTTPPasswordMgrWithDefaultRealm):
    """Those for https: are for that alone, not for http: on the same host, where others may listen."""

    passwd: dict[Any, dict[Any, Any]]
    """By realm and places, in the class that this one is made of."""

    def add_password(self, realm: str | None, uri: str | Sequence[str], user: str, passwd: str) -> None:
        super().add_password(realm, uri, user, passwd)
        known = self.passwd[realm]
        while len(known) > MOST_PASSWORDS:
            del known[next(iter(known))]

    def reduce_uri(self, uri: str, default_port: bool = True) -> tuple[str, str]:
        authority, path = super().reduce_uri(uri, default_port)
        return f"{urlsplit(uri).scheme}://{authority}", path


class _Cookies(http.cookiejar.CookieJar):
    """Few and short ones: a source plays for years."""

    def set_cookie(self, cookie: http.cookiejar.Cookie) -> None:
        if sum(len(str(part)) for part in vars(cookie).values()) > LONGEST_COOKIE:
            return
        super().set_cookie(cookie)
        kept = list(self)
        for old in kept[: max(0, len(kept) - MOST_COOKIES)]:
            self.clear(old.domain, old.path, old.name)


class _KnownSchemes(urllib.request.BaseHandler):
    """Leaves of the ways in which a server lets users prove themselves those that we know: others raise ValueError."""

    handler_order = urllib.request.HTTPDigestAuthHandler.handler_order - 1

    def http_error_401(self, _: object, __: object, ___: object, ____: object, headers: Message) -> None:
        """A server wants a user."""
        offered = headers.get_all("WWW-Authenticate", [])
        del headers["WWW-Authenticate"]
        for each in offered:
            if each.lower().startswith(("basic ", "digest ")):
                headers["WWW-Authenticate"] = each


class HttpFiles:
    """See above. `deadline`: the moment, of the monotonic clock, at which the source counts as silent."""

    def __init__(self, context: ssl.SSLContext, deadline: Callable[[], float]) -> None:
        self.is_lenient = False
        """Whether a file that cannot be had is an empty one: a segment that is missing does not end a source."""
        self._deadline = deadline
        self._passwords = _Passwords()
        self._opener = urllib.request.OpenerDirector()
        self._opener.addheaders = [("User-Agent", f"wcsd/{VERSION}")]
        for handler in (
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(context=context),
            urllib.request.HTTPRedirectHandler(),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.HTTPDefaultErrorHandler(),
            _KnownSchemes(),
            urllib.request.HTTPBasicAuthHandler(self._passwords),
            urllib.request.HTTPDigestAuthHandler(self._passwords),
            urllib.request.HTTPCookieProcessor(_Cookies()),
        ):
            self._opener.add_handler(handler)

    def open(self, url: str, _: int, options: Mapping[str, str]) -> "HttpFile":
        """A file for FFmpeg (PyAV's `io_open`). Raises FileUnavailable."""
        cipher = None
        if url.startswith(_ENCRYPTED):
            url = url[len(_ENCRYPTED[0]) :]
            cipher = _decryption(options)
        return HttpFile(self._attempt(lambda: self._request(url, options)), cipher, self)

    def read(self, response: http.client.HTTPResponse | None, count: int) -> bytes:
        """What has come of a file, up to so many bytes; nothing at its end. Raises FileUnavailable."""
        if response is None:
            return b""
        self._remaining()
        return self._attempt(lambda: response.read1(count)) or b""

    # -- inside --------------------------------------------------------------------------------------------------

    def _request(self, url: str, options: Mapping[str, str]) -> http.client.HTTPResponse:
        request = urllib.request.Request(self._without_user(url))  # noqa: S310 - nothing here opens other schemes
        if "offset" in options or "end_offset" in options:
            end = int(options.get("end_offset", 0))
            request.add_header("Range", f"bytes={int(options.get('offset', 0))}-{end - 1 if end else ''}")
        response: http.client.HTTPResponse | None = self._opener.open(request, timeout=self._remaining())
        if response is None:
            raise ValueError("neither http nor https")
        return response

    def _without_user(self, url: str) -> str:
        """The URL as it is asked for; a user and a password in it are for those servers that want them."""
        parts = urlsplit(url)
        user_info, at, host = parts.netloc.rpartition("@")
        path, query = (quote(part, safe=_AS_THEY_ARE) for part in (parts.path, parts.query))
        bare = urlunsplit(parts._replace(netloc=host, path=path, query=query, fragment=""))
        if at:
            name, _, password = user_info.partition(":")
            for place in (bare, f"{parts.scheme}://{host}/", f"https://{host}/"):
                self._passwords.add_password(None, place, unquote(name), unquote(password))
        return bare

    def _remaining(self) -> float:
        remaining = self._deadline() - time.monotonic()
        if remaining <= 0:
            raise FileUnavailable("silent")
        return remaining

    def _attempt(self, act: Callable[[], T]) -> T | None:
        try:
            return act()
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = _why(error)
            if why in ("certificate", "silent") or not self.is_lenient:
                raise FileUnavailable(why) from None
            print(f"a file of the source is left out: {why}", file=sys.stderr, flush=True)
            return None


class HttpFile:
    """What FFmpeg reads from."""

    def __init__(
        self, response: http.client.HTTPResponse | None, cipher: CipherContext | None, files: HttpFiles
    ) -> None:
        self._response = response
        self._cipher = cipher
        self._files = files
        self._rest = b""
        """What was decrypted last: its end may be padding."""

    def read(self, count: int) -> bytes:
        """Some bytes; nothing at the end."""
        while True:
            data = self._files.read(self._response, count)
            if self._cipher is None:
                return data
            if not data:
                rest, self._rest = self._rest, b""
                return rest[: -rest[-1]] if rest and rest[-1] <= _BLOCK else rest
            clear = self._rest + self._cipher.update(data)
            self._rest = clear[-_BLOCK:]
            if len(clear) > _BLOCK:
                return clear[:-_BLOCK]

    def close(self) -> None:
        if self._response is not None:
            self._response.close()


def _decryption(options: Mapping[str, str]) -> CipherContext:
    try:
        key, vector = bytes.fromhex(options["key"]), bytes.fromhex(options["iv"])
        return Cipher(algorithms.AES128(key), modes.CBC(vector)).decryptor()
    except (KeyError, ValueError):
        raise FileUnavailable("wrong-format") from None


def _why(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return _WHY.get(error.code, "unreachable")
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return "certificate"
    if isinstance(cause, TimeoutError):
        return "silent"
    return "wrong-format" if isinstance(cause, (ValueError, http.client.HTTPException)) else "unreachable"
