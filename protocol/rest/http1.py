"""HTTP/1.1 for the REST listeners: turns bytes into requests and answers into bytes, one exchange at a time.

h11 does parsing and framing. This module adds what h11 leaves to its user, and checks where it is more lenient than RFC
9112 requires of a server. Anything that two servers in a chain may read differently is refused, because it allows
request smuggling:

- a line that ends with a bare line feed (2.2), a folded header line (5.2), trailers of a chunked body (7.1.2);
- `Content-Length` together with `Transfer-Encoding`, and `Transfer-Encoding` in HTTP/1.0 (6.1);
- a target that is neither a path nor an absolute URL of this server (3.2), a version other than HTTP/1 (2.3).

A head has at most 16 KiB and 100 header lines. Every refusal is a RestError, and ends the connection.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import unquote

import h11
from attrs import frozen

from protocol.rest.access import read_authority
from protocol.rest.errors import RestError, bad_request

MAX_HEAD = 16 * 1024
"""Bytes of the request line and header lines together."""
MAX_HEADERS = 100
"""Header lines of one request."""

_END_OF_HEAD = b"\r\n\r\n"
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
_FOLD = re.compile(rb"\n[ \t]")
_ABSOLUTE = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?]*)(?P<path>[^?]*)(?P<query>\?.*)?")
_BODILESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})

HeaderList = tuple[tuple[bytes, bytes], ...]


@frozen(kw_only=True)
class RequestHead:
    """The head of a request. Header names are in lower case; an absolute target replaces `Host` (RFC 9112 3.2.2)."""

    method: str
    raw_path: bytes
    query: bytes
    version: str
    """`1.0` or `1.1`."""
    headers: HeaderList

    @property
    def path(self) -> str:
        """The percent-decoded path."""
        return unquote(self.raw_path.decode("ascii"))


class Http1:
    """The server's side of one connection. `scheme` is that of the listener: `http` or `https`."""

    def __init__(self, scheme: str) -> None:
        self._scheme = scheme
        self._buffer = bytearray()
        self._searched = 0
        self._framing = h11.Connection(h11.SERVER)
        self._fed = b""
        self._request: RequestHead | None = None
        self._is_head = False  # known even of a request that is invalid otherwise
        self._has_answer_body = True

    # -- requests --------------------------------------------------------------------------------------------------

    @property
    def is_untouched(self) -> bool:
        """True until the first byte of the next request arrives."""
        return not self._buffer

    def feed(self, data: bytes | bytearray) -> None:
        """Take bytes from the client."""
        self._buffer += data

    def request(self) -> RequestHead | None:
        """The next request, or None until more bytes arrive. Raises RestError for an invalid request."""
        while self._buffer.startswith(b"\r\n"):  # RFC 9112 2.2: ignore empty lines before a request
            del self._buffer[:2]
        end = self._buffer.find(_END_OF_HEAD, max(0, self._searched - 3)) + len(_END_OF_HEAD)
        if end < len(_END_OF_HEAD):
            self._searched = len(self._buffer)
            self._check_beginning()
            return None
        self._searched = 0
        head = bytes(self._buffer[:end])
        del self._buffer[:end]
        self._request = self._parsed(head)
        return self._request

    def body(self) -> bytes | None:
        """The next piece of the body, empty at its end, or None until more bytes arrive. Raises RestError."""
        if self.is_body_complete:
            return b""
        if self._buffer:
            # What h11 has not consumed by the end of the body is part of this piece: it had asked for more before.
            self._fed = self._fed[-len(_END_OF_HEAD) :] + self._buffer
            self._framing.receive_data(bytes(self._buffer))
            self._buffer.clear()
        match self._next_event():
            case h11.Data(data=data):
                return bytes(data)
            case h11.EndOfMessage(headers=trailers):
                self._finish_body(trailers)
                return b""
        return None

    @property
    def is_body_complete(self) -> bool:
        """True once the whole request has been read."""
        return self._framing.their_state not in (h11.SEND_BODY, h11.ERROR)

    @property
    def awaits_continue(self) -> bool:
        """True if the client waits for `100 Continue` before it sends its body (RFC 9110 10.1.1)."""
        return self._framing.they_are_waiting_for_100_continue

    # -- answers ---------------------------------------------------------------------------------------------------

    def go_on(self) -> bytes:
        """The interim response `100 Continue`."""
        return self._framing.send(h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue"))

    def start(self, status: int, headers: Iterable[tuple[bytes, bytes]], *, close: bool) -> bytes:
        """The head of the answer. It is the last one with `close`, or if the request was not read to its end."""
        shown = list(headers)
        if close or not self.is_body_complete:
            shown = [(name, value) for name, value in shown if name.lower() != b"connection"]
            shown.append((b"connection", b"close"))
        self._has_answer_body = not self._is_head and status not in _BODILESS
        return self._framing.send(h11.Response(status_code=status, headers=shown, reason=_phrase(status)))

    def piece(self, data: bytes) -> bytes:
        """A framed piece of the answer's body; empty if the answer may not have a body."""
        return self._framing.send(h11.Data(data=data)) if data and self._has_answer_body else b""

    def end(self) -> bytes:
        """The end of the answer. Raises h11.LocalProtocolError if the body is shorter than its Content-Length."""
        return self._framing.send(h11.EndOfMessage())

    def next_exchange(self) -> bool:
        """Prepare for another request; False if the connection is over."""
        if self._framing.states != {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
            return False
        self._framing = h11.Connection(h11.SERVER)
        self._fed = b""
        self._request = None
        self._is_head = False
        return True

    # -- inside ----------------------------------------------------------------------------------------------------

    def _check_beginning(self) -> None:
        """Reject early what cannot become a request."""
        if self._buffer and self._buffer[0] <= ord(" ") and self._buffer[0] != ord("\r"):
            raise bad_request("malformed request: no request line")
        _check_size(len(self._buffer), 0)

    def _parsed(self, head: bytes) -> RequestHead:
        _check_size(len(head), head.count(b"\n") - 2)
        if _BARE_LINE_FEED.search(head):
            raise bad_request("malformed request: a line ends with a bare line feed")
        if not head[: head.index(b"\r\n")].isascii():  # typed as it is, by curl for example
            raise bad_request("malformed request: characters beyond ASCII in a URL are written as %XX, those of UTF-8")
        if _FOLD.search(head):
            raise bad_request("malformed request: a header is folded over lines")
        self._framing.receive_data(head)
        event = self._next_event()
        if not isinstance(event, h11.Request):
            raise bad_request("malformed request: no request line")
        self._is_head = event.method == b"HEAD"
        request = _request_head(event, self._scheme)
        if not any(name in _FRAMING for name, _ in request.headers):
            self._next_event()  # the end of a request that has no body
        return request

    def _next_event(self) -> object:
        try:
            return self._framing.next_event()
        except h11.RemoteProtocolError as error:
            # After the colon come the client's own bytes, which may contain secrets.
            what = str(error).partition(":")[0]
            raise RestError(error.error_status_hint, f"malformed request: {what}") from None

    def _finish_body(self, trailers: object) -> None:
        """Take back the bytes after the body, and check how a chunked body ended."""
        rest, _ = self._framing.trailing_data
        self._buffer += rest
        request = self._request
        if request is None or all(name != b"transfer-encoding" for name, _ in request.headers):
            return
        if list(trailers) if isinstance(trailers, Iterable) else False:
            raise bad_request("malformed request: a chunked body has trailers")
        if not self._fed[: len(self._fed) - len(rest)].endswith(_END_OF_HEAD):
            raise bad_request("malformed request: a line ends with a bare line feed")


_FRAMING = (b"content-length", b"transfer-encoding")


def _request_head(event: h11.Request, scheme: str) -> RequestHead:
    version = event.http_version.decode("ascii")
    if not version.startswith("1."):
        raise RestError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "only HTTP/1.1 is spoken here")
    headers = tuple((bytes(name), bytes(value)) for name, value in event.headers)
    names = [name for name, _ in headers]
    if b"transfer-encoding" in names and (b"content-length" in names or version == "1.0"):
        raise bad_request("malformed request: the length of its body is told in two ways")
    method, target = event.method.decode("ascii"), event.target.decode("ascii")
    if "#" in target:
        raise bad_request("malformed request: its target has a fragment")
    _check_encoding(target.partition("?")[0])
    if target.startswith("/") or (target == "*" and method == "OPTIONS"):
        path, _, query = target.partition("?")
    else:
        host, path, query = _absolute(target, scheme)
        headers = ((b"host", host.encode()), *(header for header in headers if header[0] != b"host"))
    return RequestHead(
        method=method,
        raw_path=path.encode("ascii"),
        query=query.encode("ascii"),
        version="1.0" if version == "1.0" else "1.1",
        headers=headers,
    )


def _check_encoding(path: str) -> None:
    """A name in it would be another one if its bytes were replaced."""
    try:
        unquote(path, errors="strict")
    except UnicodeDecodeError:
        raise bad_request("malformed request: its path is not UTF-8") from None


def _absolute(target: str, scheme: str) -> tuple[str, str, str]:
    """Authority, path and query of an absolute target (RFC 9112 3.2.2)."""
    parts = _ABSOLUTE.fullmatch(target)
    if parts is None or read_authority(parts["authority"]) is None:
        raise bad_request("malformed request: its target is neither a path nor a URL of this server")
    if parts["scheme"].lower() != scheme:
        raise RestError(HTTPStatus.MISDIRECTED_REQUEST, f"this listener serves {scheme} alone")
    return parts["authority"], parts["path"] or "/", (parts["query"] or "?")[1:]


def _check_size(size: int, headers: int) -> None:
    if size > MAX_HEAD or headers > MAX_HEADERS:
        reason = f"a request head may have {MAX_HEAD} bytes and {MAX_HEADERS} headers"
        raise RestError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, reason)


def _phrase(status: int) -> bytes:
    """The standard phrase, as WCS gives it (`200 OK`)."""
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""
