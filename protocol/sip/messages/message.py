"""SIP messages: bytes to requests and responses, and back (RFC 3261 sections 7 and 18.3).

Strict about framing, which decides where a message ends and how much memory it takes; lenient about what servers and
phones really send: compact names, folded lines, blanks before the colon, bytes that are not UTF-8. Text that is not
UTF-8 goes out again as it came in (`surrogateescape`), because Via, From, To and Call-ID must be repeated unchanged;
text that is shown to people passes through `protocol.sip.messages.headers.printable`.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from attrs import evolve, field, frozen

from protocol.common.errors import ProtocolError

MAX_MESSAGE: Final = 65_535
MAX_HEADERS: Final = 128
MAX_LINE: Final = 8_192
_VERSION: Final = "SIP/2.0"
_TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,64}")
_NAME = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,128}")
_STATUS = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})(?: (.*))?", re.IGNORECASE | re.DOTALL)
_DIGITS = re.compile(r"[0-9]{1,9}")
_COMPACT: Final = {
    "a": "accept-contact", "b": "referred-by", "c": "content-type", "e": "content-encoding", "f": "from",
    "i": "call-id", "k": "supported", "l": "content-length", "m": "contact", "o": "event", "r": "refer-to",
    "s": "subject", "t": "to", "u": "allow-events", "v": "via", "x": "session-expires",
}  # fmt: skip
_SECRET: Final = ("authorization", "proxy-authorization")
_SINGLE: Final = ("from", "to", "call-id", "cseq", "content-length", "max-forwards")


class SipError(ProtocolError):
    """The other side sent something that is not SIP; the status hint is that of a SIP response."""


def _canonical(name: str) -> str:
    lower = name.strip().lower()
    return _COMPACT.get(lower, lower)


def _shown(fields: tuple[tuple[str, str], ...]) -> str:
    return repr(tuple((name, "***" if _canonical(name) in _SECRET else value) for name, value in fields))


@frozen
class HeaderFields:
    """Header fields in their order; names as they are written out, compared without case and in their long form.

    Digests are not shown.
    """

    fields: tuple[tuple[str, str], ...] = field(default=(), repr=_shown)

    def get(self, name: str, default: str = "") -> str:
        """The first value of this name."""
        return next(self._matching(name), default)

    def has(self, name: str) -> bool:
        return next(self._matching(name), None) is not None

    def lines(self, name: str) -> tuple[str, ...]:
        """The values of this name as they stand, one per line."""
        return tuple(self._matching(name))

    def values(self, name: str) -> tuple[str, ...]:
        """Every element of every line of this name, in order; for header fields that are lists (RFC 3261 7.3.1)."""
        return tuple(part for line in self._matching(name) for part in split_outside_quotes(line, ","))

    def tokens(self, name: str) -> frozenset[str]:
        """The elements in lower case, without parameters."""
        return frozenset(value.partition(";")[0].strip().lower() for value in self.values(name))

    def replaced(self, name: str, *values: str) -> "HeaderFields":
        """The same with these values alone for this name, at the place of the first, or at the end."""
        wanted = _canonical(name)
        kept = [entry for entry in self.fields if _canonical(entry[0]) != wanted]
        place = next((at for at, entry in enumerate(self.fields) if _canonical(entry[0]) == wanted), len(kept))
        return HeaderFields((*kept[:place], *((name, value) for value in values), *kept[place:]))

    def _matching(self, name: str) -> Iterator[str]:
        wanted = _canonical(name)
        return (value for known, value in self.fields if _canonical(known) == wanted)


@frozen(kw_only=True)
class RequestMessage:
    """A request. `uri` is the Request-URI as written."""

    method: str
    uri: str
    headers: HeaderFields
    body: bytes = field(default=b"", repr=False)

    def with_header(self, name: str, *values: str) -> "RequestMessage":
        return evolve(self, headers=self.headers.replaced(name, *values))


@frozen(kw_only=True)
class ResponseMessage:
    """A response. `status` is 100 to 699."""

    status: int
    reason: str
    headers: HeaderFields
    body: bytes = field(default=b"", repr=False)

    @property
    def is_final(self) -> bool:
        return self.status >= 200

    def with_header(self, name: str, *values: str) -> "ResponseMessage":
        return evolve(self, headers=self.headers.replaced(name, *values))


SipMessage = RequestMessage | ResponseMessage


def encode(message: SipMessage) -> bytes:
    """As it is sent, with its Content-Length."""
    if isinstance(message, RequestMessage):
        start = f"{message.method} {message.uri} {_VERSION}"
    else:
        start = f"{_VERSION} {message.status} {message.reason}"
    headers = message.headers.replaced("Content-Length", str(len(message.body)))
    head = "".join(f"{line}\r\n" for line in (start, *(f"{name}: {value}" for name, value in headers.fields), ""))
    return head.encode("utf-8", "surrogateescape") + message.body


def parse_datagram(data: bytes) -> SipMessage:
    """The message of one datagram (RFC 3261 18.3): bytes after Content-Length are ignored. Raises SipError."""
    if len(data) > MAX_MESSAGE:
        raise SipError(f"longer than {MAX_MESSAGE} bytes", status_hint=513)
    head, end = _head(data.lstrip(b"\r\n"))
    rest = data.lstrip(b"\r\n")[end:]
    message = _parse_head(head)
    length = _content_length(message.headers)
    if length is None:
        return evolve(message, body=rest)
    if length > len(rest):
        raise SipError("the body is shorter than Content-Length")
    return evolve(message, body=rest[:length])


class StreamParser:
    """The messages of a TCP or TLS connection, in any pieces; blank lines between them are keep-alives (RFC 5626)."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._begun: tuple[SipMessage, int, int] | None = None
        """A message whose body is still to come, and where that begins and ends: its head is read once."""
        self.pings = 0
        """Double CRLFs that have come and want a single one back."""
        self.error: SipError | None = None
        """Why nothing more can be read: where the next message begins is not known."""

    @property
    def is_within_message(self) -> bool:
        """Whether a part of a message is waiting for the rest."""
        return bool(self._buffer.strip(b"\r\n"))

    def feed(self, data: bytes) -> list[SipMessage]:
        """The messages that are complete now. Look at `error` afterwards."""
        found: list[SipMessage] = []
        if self.error is not None:
            return found
        self._buffer += data
        try:
            while (message := self._next()) is not None:
                found.append(message)
        except SipError as error:
            self.error = error
            self._buffer.clear()
        return found

    def _next(self) -> SipMessage | None:
        if self._begun is None:
            self._drop_keep_alives()
            self._begun = self._next_head()
        if self._begun is None or len(self._buffer) < self._begun[2]:
            return None
        message, start, end = self._begun
        body = bytes(self._buffer[start:end])
        del self._buffer[:end]
        self._searched, self._begun = 0, None
        return evolve(message, body=body)

    def _next_head(self) -> tuple[SipMessage, int, int] | None:
        end = self._buffer.find(b"\r\n\r\n", max(0, self._searched - 3))
        if end < 0:
            self._searched = len(self._buffer)
            if len(self._buffer) > MAX_MESSAGE:
                raise SipError(f"longer than {MAX_MESSAGE} bytes", status_hint=513)
            return None
        head, end = _head(bytes(self._buffer[: end + 4]))
        message = _parse_head(head)
        length = _content_length(message.headers)
        if length is None:
            raise SipError("no Content-Length, which a stream needs")
        if end + length > MAX_MESSAGE:
            raise SipError(f"longer than {MAX_MESSAGE} bytes", status_hint=513)
        return message, end, end + length

    def _drop_keep_alives(self) -> None:
        while self._buffer.startswith(b"\r\n\r\n"):
            self.pings += 1
            del self._buffer[:4]
        if self._buffer.startswith(b"\r\n") and len(self._buffer) > 2 and not self._buffer.startswith(b"\r\n\r"):
            del self._buffer[:2]


def split_outside_quotes(text: str, separator: str) -> Iterator[str]:
    """The parts of a text, trimmed, without empty ones; not within quoted strings or angle brackets."""
    start, quoted, depth, escaped = 0, False, 0, False
    for at, character in enumerate(text):
        if escaped:
            escaped = False
        elif quoted:
            escaped, quoted = character == "\\", character != '"'
        elif character == '"':
            quoted = True
        elif character in "<>":
            depth = 1 if character == "<" else 0
        elif character == separator and not depth:
            yield from filter(None, [text[start:at].strip()])
            start = at + 1
    yield from filter(None, [text[start:].strip()])


# -- inside ------------------------------------------------------------------------------------------------------------


def _head(data: bytes) -> tuple[bytes, int]:
    end = data.find(b"\r\n\r\n")
    if end >= 0:
        return data[:end], end + 4
    end = data.find(b"\n\n")  # bare line feeds: some hand-made tools
    if end >= 0 and b"\r" not in data[:end]:
        return data[:end], end + 2
    raise SipError("no empty line after the header")


def _parse_head(head: bytes) -> SipMessage:
    start, *lines = _unfolded(head.decode("utf-8", "surrogateescape"))
    headers = HeaderFields(tuple(map(_header, lines)))
    for name in _SINGLE:
        if len(headers.lines(name)) > 1:
            raise SipError(f"{name} is given twice")
    found = _STATUS.fullmatch(start)
    if found:
        return ResponseMessage(status=int(found.group(1)), reason=found.group(2) or "", headers=headers)
    return _request(start, headers)


def _request(start: str, headers: HeaderFields) -> RequestMessage:
    method, _, rest = start.partition(" ")
    uri, _, version = rest.rpartition(" ")
    if not _TOKEN.fullmatch(method):
        raise SipError("not a SIP message")
    if version.upper() != _VERSION:
        raise SipError("not SIP/2.0", status_hint=505)
    if not uri or uri != uri.strip() or any(character in uri for character in ' \t<>"'):
        raise SipError("a Request-URI that is none")
    return RequestMessage(method=method, uri=uri, headers=headers)


def _unfolded(text: str) -> list[str]:
    lines: list[str] = []
    for line in re.split(r"\r\n|\n", text):
        if line[:1] in (" ", "\t") and len(lines) > 1:
            lines[-1] = f"{lines[-1].rstrip()} {line.strip()}"
        else:
            lines.append(line)
        if len(lines[-1]) > MAX_LINE:
            raise SipError(f"a line is longer than {MAX_LINE} characters", status_hint=513)
    if len(lines) > MAX_HEADERS + 1:
        raise SipError(f"more than {MAX_HEADERS} header fields", status_hint=513)
    return lines


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    name = name.rstrip(" \t")
    if not colon or not _NAME.fullmatch(name) or "\r" in value or "\0" in value:
        raise SipError("a header field that is none")
    return name, value.strip()


def _content_length(headers: HeaderFields) -> int | None:
    if not headers.has("Content-Length"):
        return None
    text = headers.get("Content-Length")
    if not _DIGITS.fullmatch(text):
        raise SipError("Content-Length is not a number")
    return int(text)


def head_of(fields: Iterable[tuple[str, str | None]]) -> HeaderFields:
    """Header fields out of pairs; those without a value are left out. ValueError: a line break in one."""
    kept = tuple((name, value) for name, value in fields if value is not None)
    if any(character in value for _, value in kept for character in "\r\n\0"):
        raise ValueError("a line break in a header field")
    return HeaderFields(kept)
