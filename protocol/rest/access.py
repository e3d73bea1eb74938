"""Who may call the REST API, as far as a request's `Host` and `Origin` tell.

Two attacks by a web page that an operator happens to visit are kept out:
- the page sends a request to this server itself: its `Origin` is neither ours nor named in a setting -> refused;
- the page's own name is made to point to this server (DNS rebinding), so that its origin looks like ours: then `Host`
  is that name, which is none of ours -> refused.
A backend or curl sends no `Origin`, and calls the server by its address or name.
"""

import ipaddress
from http import HTTPStatus

from attrs import frozen

from protocol.rest.errors import RestError

ORIGIN_SETTING = "rest_access_control_allow_origin"
HOST_SETTING = "rest.allowed_hosts"

_DEFAULT_PORTS = {"http": "80", "https": "443"}


@frozen(kw_only=True)
class AccessRules:
    """What is allowed. `hosts` are names in lower case; `check_host` false lets every `Host` pass."""

    origins: frozenset[str]
    hosts: frozenset[str]
    check_host: bool

    def refusal(self, *, scheme: str, host: str | None, origin: str | None) -> RestError | None:
        """Why a request with these headers is refused (403), or None. `scheme` is that of the listener."""
        if self.check_host and not self._knows(host):
            return _forbidden(f"this server does not go by the name {_brief(host)}", HOST_SETTING)
        if origin is not None and not (self.names(origin) or is_same_origin(origin, scheme=scheme, host=host)):
            return _forbidden(f"pages of {_brief(origin)} may not call this server", ORIGIN_SETTING)
        return None

    def names(self, origin: str) -> bool:
        """Whether the setting names this origin. `*` names nobody: it is only sent, as WCS does."""
        return origin != "*" and origin in self.origins

    def allow_origin(self, origin: str | None) -> str | None:
        """The value of `Access-Control-Allow-Origin` in the answer to a request from `origin`; None: leave it out."""
        if origin is not None and self.names(origin):
            return origin
        if "*" in self.origins:
            return "*"
        return next(iter(self.origins)) if len(self.origins) == 1 else None

    def _knows(self, host: str | None) -> bool:
        name = host_name(host or "")
        return name == "localhost" or name in self.hosts or is_address(name)


def is_same_origin(origin: str, *, scheme: str, host: str | None) -> bool:
    """Whether `origin` is the server as the request itself addressed it."""
    wanted, _, authority = origin.partition("://")
    return host is not None and wanted == scheme and _with_port(authority, scheme) == _with_port(host, scheme)


def host_name(authority: str) -> str:
    """The name or address in `name:port`, in lower case, without brackets and the root's dot."""
    name = authority.strip().lower()
    if name.startswith("["):
        address, closed, _ = name[1:].partition("]")
        return address if closed else name
    return name.partition(":")[0].removesuffix(".")


def is_address(name: str) -> bool:
    """Whether `name` is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _with_port(authority: str, scheme: str) -> str:
    authority = authority.strip().lower()
    has_port = ":" in authority.rpartition("]")[2]
    return authority if has_port else f"{authority}:{_DEFAULT_PORTS.get(scheme, '')}"


def _forbidden(message: str, setting: str) -> RestError:
    return RestError(HTTPStatus.FORBIDDEN, f"{message}; add it to {setting} if it should", setting=setting)


def _brief(value: str | None) -> str:
    return repr((value or "")[:100])
