"""Decides from a request's `Host` and `Origin` whether it may call the REST API.

This stops two attacks by a web page that an operator happens to visit:
- the page sends a request to this server: its `Origin` is neither ours nor named in a setting -> refused;
- the page's host name is made to point to this server (DNS rebinding), so that its origin looks like ours: then `Host`
is that name, which is not one of ours -> refused.
Backends and curl send no `Origin`, and call the server by its address or name.
"""

import ipaddress
import re
from collections.abc import Collection
from http import HTTPStatus

from attrs import frozen

from protocol.rest.errors import RestError, bad_request

ORIGIN_SETTING = "rest_access_control_allow_origin"
HOST_SETTING = "rest.allowed_hosts"

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HIGHEST_PORT = 65535
_OTHER_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s]*")


@frozen(kw_only=True)
class AccessRules:
    """What is allowed. `hosts` are names in lower case; if `check_host` is false, every `Host` passes."""

    origins: frozenset[str]
    hosts: frozenset[str]
    check_host: bool

    def refusal(self, *, scheme: str, host: str | None, origin: str | None) -> RestError | None:
        """Why a request with these headers is refused (403; 400 for an invalid `Host`), or None.

        `scheme` is that of the listener.
        """
        if self.check_host and not self._knows(host):
            return _forbidden(f"this server does not go by the name {_brief(host)}", HOST_SETTING)
        if host and read_authority(host) is None:
            return bad_request(f"Host is neither a name nor an address: {_brief(host)}")
        if origin is not None and not (self.names(origin) or is_same_origin(origin, scheme=scheme, host=host)):
            return _forbidden(f"pages of {_brief(origin)} may not call this server", ORIGIN_SETTING)
        return None

    def names(self, origin: str) -> bool:
        """Whether the setting names this origin. `*` names none: it is only sent in answers, as WCS does."""
        return is_named(origin, self.origins)

    def allow_origin(self, origin: str | None) -> str | None:
        """The value of `Access-Control-Allow-Origin` in the answer to a request from `origin`; None: leave it out."""
        if origin is not None and self.names(origin):
            return origin
        if "*" in self.origins:
            return "*"
        return next(iter(self.origins)) if len(self.origins) == 1 else None

    def _knows(self, host: str | None) -> bool:
        authority = read_authority(host or "")
        if authority is None:
            return False
        name = authority.host
        return name == "localhost" or name in self.hosts or is_address(name)


@frozen(kw_only=True)
class Authority:
    """A host with an optional port, as in `Host` and in origins."""

    host: str
    """A name or an IPv4 address in lower case, without a trailing dot; an IPv6 address without its brackets."""
    port: int | None


_AUTHORITY = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9_.~-]+))(?::(?P<port>[0-9]{0,5}))?")


def read_authority(text: str) -> Authority | None:
    """`name`, `name:port`, `address:port` or `[IPv6 address]:port`, and nothing else (RFC 9110 7.2); else None.

    Percent-encoding and sub-delimiters, which RFC 3986 allows in names but DNS does not, are rejected.
    """
    found = _AUTHORITY.fullmatch(text)
    if found is None or (found["ipv6"] is not None and not is_address(found["ipv6"])):
        return None
    host = (found["ipv6"] or found["name"]).lower().removesuffix(".")
    return Authority(host=host, port=int(found["port"]) if found["port"] else None) if host else None


def read_origin(text: str) -> str | None:
    """An origin as browsers write it, in lower case and without the port that is the scheme's own; None: it is none.

    The form is that of RFC 6454 6.2; `null` is the origin of sandboxed pages and files. Other schemes are those of apps
    and extensions, such as capacitor://localhost.
    """
    if text == "null":
        return text
    scheme, separator, rest = text.partition("://")
    scheme, authority = scheme.lower(), rest.removesuffix("/")
    default_port = _DEFAULT_PORTS.get(scheme)
    if default_port is None:
        origin = f"{scheme}://{authority}"
        return origin if separator and _OTHER_SCHEME.fullmatch(origin) else None
    found = read_authority(authority)
    if found is None or (found.port or 1) > _HIGHEST_PORT:
        return None
    host = f"[{found.host}]" if ":" in found.host else found.host
    return f"{scheme}://{host}" if found.port in (None, default_port) else f"{scheme}://{host}:{found.port}"


def is_named(origin: str, origins: Collection[str]) -> bool:
    """Whether an `Origin` is among `origins`, as `read_origin` writes them: apps may write it in another way."""
    return read_origin(origin) in origins


def is_same_origin(origin: str, *, scheme: str, host: str | None) -> bool:
    """Whether `origin` is this server, as the request addressed it."""
    wanted, _, authority = origin.partition("://")
    return (
        wanted.lower() == scheme
        and (own := _endpoint(host or "", scheme)) is not None
        and (_endpoint(authority, scheme) == own)
    )


def is_address(name: str) -> bool:
    """Whether `name` is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _endpoint(authority: str, scheme: str) -> tuple[str, int | None] | None:
    found = read_authority(authority)
    return None if found is None else (found.host, found.port or _DEFAULT_PORTS.get(scheme))


def _forbidden(message: str, setting: str) -> RestError:
    return RestError(HTTPStatus.FORBIDDEN, f"{message}; add it to {setting} if it should", setting=setting)


def _brief(value: str | None) -> str:
    return repr((value or "")[:100])
