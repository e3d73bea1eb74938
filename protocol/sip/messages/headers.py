"""The structured header fields of SIP (RFC 3261 section 20): URIs, name-addr, Via, CSeq, RAck, challenges.

What is read may be odd, so that the calls of servers with small faults succeed; what is written is strict.
"""

import re
from collections.abc import Mapping
from ipaddress import IPv6Address
from types import MappingProxyType
from typing import Final

from attrs import evolve, field, frozen

from protocol.sip.messages.message import HeaderFields, SipError, split_outside_quotes

DEFAULT_PORT: Final = 5060
TLS_PORT: Final = 5061
_EMPTY: Mapping[str, str] = MappingProxyType({})
_HOST = re.compile(r"\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,255}")
_USER = re.compile(r"[A-Za-z0-9_.!~*'()&=+$,;?/%#-]{1,256}")
_NUMBER = re.compile(r"[0-9]{1,10}")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\U0010ffff]")
_UNSAFE_IN_USER = re.compile(r"[^A-Za-z0-9_.!~*'()&=+$,;?/-]")
_MAX_DISPLAY_NAME: Final = 256


def printable(text: str) -> str:
    """The text for people and for JSON: without control characters and bytes that are not UTF-8."""
    return _UNPRINTABLE.sub("\ufffd", text)


@frozen(kw_only=True)
class SipUri:
    """A sip or sips URI (RFC 3261 19.1), or a tel URI (RFC 3966), whose number is the `user` and whose `host` is empty.

    `parameters` have names in lower case; `headers` (after `?`) are kept but never followed.
    """

    scheme: str = "sip"
    user: str = ""
    host: str
    port: int | None = None
    parameters: Mapping[str, str] = _EMPTY
    headers: str = ""

    @property
    def transport(self) -> str:
        """The transport parameter in lower case, or what the scheme demands, or ""."""
        return "tls" if self.scheme == "sips" else self.parameters.get("transport", "").lower()

    @property
    def host_text(self) -> str:
        """The host as it stands in a URI: an IPv6 address in brackets."""
        return bracketed(self.host)

    @property
    def address_of_record(self) -> str:
        """Who it is, without port and parameters: what people and hooks read."""
        return f"{self.user}@{self.host_text}" if self.user and self.host else self.user or self.host_text

    def __str__(self) -> str:
        if self.scheme == "tel":
            return f"tel:{self.user}{written_parameters(self.parameters)}"
        user = f"{self.user}@" if self.user else ""
        port = "" if self.port is None else f":{self.port}"
        headers = f"?{self.headers}" if self.headers else ""
        return f"{self.scheme}:{user}{self.host_text}{port}{written_parameters(self.parameters)}{headers}"


def bracketed(host: str) -> str:
    """An IPv6 address in brackets, anything else as it is."""
    return f"[{host}]" if ":" in host else host


def escaped_user(text: str) -> str:
    """Any text as the user part of a URI (RFC 3261 25.1)."""
    return _UNSAFE_IN_USER.sub(lambda found: "".join(f"%{byte:02X}" for byte in found.group().encode()), text)


def parse_uri(text: str) -> SipUri:
    """Read a sip, sips or tel URI. Raises SipError: status hint 416 for another scheme."""
    scheme, colon, rest = text.strip().partition(":")
    scheme = scheme.lower()
    if not colon or scheme not in ("sip", "sips", "tel"):
        raise SipError("not a sip, sips or tel URI", status_hint=416)
    if any(character in rest for character in ' \t\r\n<>"'):
        raise SipError("a URI with characters that it must not have")
    if scheme == "tel":
        number, *parameters = rest.split(";")
        if not _USER.fullmatch(number):
            raise SipError("a number that is none")
        return SipUri(scheme=scheme, user=number, host="", parameters=_parameters(parameters))
    user, at, place = rest.rpartition("@")
    if at and not _USER.fullmatch(user.partition(":")[0]):
        raise SipError("a URI with a user that is none")
    place, _, headers = place.partition("?")
    place, *parameters = place.split(";")
    host, port = parse_host_port(place)
    user = user.partition(":")[0]
    return SipUri(scheme=scheme, user=user, host=host, port=port, parameters=_parameters(parameters), headers=headers)


def parse_host_port(text: str) -> tuple[str, int | None]:
    """`host`, `host:port`, `[IPv6]:port`; the host in lower case and without brackets. Raises SipError."""
    found = _HOST.match(text.strip())
    if not found:
        raise SipError("a host that is none")
    host, rest = found.group().lower(), text.strip()[found.end() :].strip()
    if host.startswith("["):
        host = host[1:-1]
        try:
            IPv6Address(host)
        except ValueError:
            raise SipError("an IPv6 address that is none") from None
    if not rest:
        return host, None
    port = rest[1:].strip()
    if not rest.startswith(":") or not _NUMBER.fullmatch(port) or not 0 < int(port) <= 65_535:
        raise SipError("a port that is none")
    return host, int(port)


@frozen(kw_only=True)
class NameAddress:
    """The value of From, To, Contact, Route, Refer-To: a URI with a display name and header parameters."""

    uri: SipUri
    display_name: str = ""
    parameters: Mapping[str, str] = _EMPTY

    @property
    def tag(self) -> str:
        return self.parameters.get("tag", "")

    def with_tag(self, tag: str) -> "NameAddress":
        return evolve(self, parameters=MappingProxyType({**self.parameters, "tag": tag}))

    def __str__(self) -> str:
        escaped = printable(self.display_name)[:_MAX_DISPLAY_NAME].replace("\\", "\\\\").replace('"', '\\"')
        name = f'"{escaped}" ' if escaped else ""
        return f"{name}<{self.uri}>{written_parameters(self.parameters)}"


def parse_name_address(text: str) -> NameAddress:
    """Read one. Without angle brackets, parameters belong to the header field (RFC 3261 20.10). Raises SipError."""
    text = text.strip()
    quoted = _QUOTED.match(text)
    name = re.sub(r"\\(.)", r"\1", quoted.group(1)) if quoted else ""
    rest = text[quoted.end() :].strip() if quoted else text
    if "<" in rest:
        before, _, after = rest.partition("<")
        uri, closed, tail = after.partition(">")
        if not closed:
            raise SipError("an address whose angle bracket is not closed")
        name = name or before.strip()
    else:
        uri, _, tail = rest.partition(";")
    parameters = _parameters(list(split_outside_quotes(tail, ";")))
    return NameAddress(uri=parse_uri(uri), display_name=printable(name)[:_MAX_DISPLAY_NAME], parameters=parameters)


@frozen(kw_only=True)
class Via:
    """One Via (RFC 3261 20.42): `transport` in upper case, where its sender expects answers, its parameters."""

    transport: str
    host: str
    port: int | None = None
    parameters: Mapping[str, str] = _EMPTY

    @property
    def branch(self) -> str:
        return self.parameters.get("branch", "")

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"SIP/2.0/{self.transport} {bracketed(self.host)}{port}{written_parameters(self.parameters)}"


def parse_via(text: str) -> Via:
    """Read one. Raises SipError."""
    sent, *parameters = [*split_outside_quotes(text, ";")] or [""]
    name, version, rest = [part.strip() for part in [*sent.split("/", 2), "", ""][:3]]
    transport, *place = rest.split(maxsplit=1)[:2] or [""]
    if name.upper() != "SIP" or version != "2.0" or not transport:
        raise SipError("a Via that is none")
    host, port = parse_host_port("".join(place))
    return Via(transport=transport.upper(), host=host, port=port, parameters=_parameters(parameters))


def top_via(headers: HeaderFields) -> Via:
    """The topmost Via. Raises SipError."""
    return parse_via(next(iter(headers.values("Via")), ""))


def seen_in(headers: HeaderFields) -> tuple[str, int] | None:
    """Where a server sees us, by what its answer has in the Via that was ours (RFC 3581); None if it does not say."""
    try:
        via = top_via(headers)
    except SipError:
        return None
    port = whole_number(via.parameters.get("rport", ""))
    return None if port is None else (via.parameters.get("received") or via.host, port)


@frozen(kw_only=True)
class CSeq:
    """The order of requests in a dialog: 0 to 2^31 - 1, and the method."""

    number: int
    method: str

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


def parse_cseq(text: str) -> CSeq:
    """Read it. Raises SipError."""
    number, _, method = " ".join(text.split()).partition(" ")
    if not _NUMBER.fullmatch(number) or int(number) >= 2**32 or not method:
        raise SipError("a CSeq that is none")
    return CSeq(number=int(number), method=method)


@frozen(kw_only=True)
class Challenge:
    """What WWW-Authenticate or Proxy-Authenticate asks: the scheme in lower case, and its parameters."""

    scheme: str
    parameters: Mapping[str, str] = field(default=_EMPTY)

    def get(self, name: str) -> str:
        return self.parameters.get(name, "")


def parse_challenges(headers: HeaderFields, name: str) -> list[Challenge]:
    """Every challenge of these header fields; several may share a line, and unreadable ones are left out."""
    found: list[Challenge] = []
    for line in headers.lines(name):
        for part in split_outside_quotes(line, ","):
            scheme, _, first = part.partition(" ")
            if first and "=" not in scheme:
                found.append(Challenge(scheme=scheme.lower(), parameters=_parameters([first.strip()])))
            elif found:
                known = found[-1]
                merged = {**_parameters([part]), **known.parameters}
                found[-1] = evolve(known, parameters=MappingProxyType(merged))
    return found


def written_parameters(parameters: Mapping[str, str]) -> str:
    """As they stand behind a URI or a header value."""
    return "".join(f";{name}={value}" if value else f";{name}" for name, value in parameters.items())


def unquoted(text: str) -> str:
    """The content of a quoted string, or the text itself."""
    found = _QUOTED.fullmatch(text.strip())
    return re.sub(r"\\(.)", r"\1", found.group(1)) if found else text.strip()


def _parameters(parts: list[str]) -> Mapping[str, str]:
    """`name=value` or `name`; the first of a name wins."""
    found: dict[str, str] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        if name.strip():
            found.setdefault(name.strip().lower(), unquoted(value) if equals else "")
    return MappingProxyType(found)


def whole_number(text: str) -> int | None:
    """A number of at most ten digits, with what may stand behind it; None for anything else."""
    found = _NUMBER.match(text.strip())
    return int(found.group()) if found else None
