"""The SIP servers that an operator names (`sip.servers`): where SIP may go at all, and how each is reached.

A page chooses domain and proxy, so what counts in the end is the address that a message is sent to, as for captures. A
server that is listed by name may be in a private network; this machine, link-local and metadata addresses must be
listed themselves. `*` is any server at a public address.
"""

import re
from collections.abc import Iterable
from typing import Final

from attrs import field, frozen

from protocol.capture.rules import CaptureRules, read_rules
from protocol.common.networks import reached_address
from protocol.sip.messages.headers import parse_host_port
from protocol.sip.messages.message import SipError

SETTING: Final = "sip.servers"
TRANSPORTS: Final = ("udp", "tcp", "tls")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


@frozen(kw_only=True)
class SipServer:
    """One item of the list. `fingerprint` is the SHA-256 of the one certificate that it may have, in hex."""

    host: str
    port: int | None = None
    transport: str | None = None
    fingerprint: str | None = None


@frozen(kw_only=True)
class SipServers:
    """The list. Without an item there is no SIP."""

    servers: tuple[SipServer, ...] = ()
    rules: CaptureRules = field(default=CaptureRules(), repr=False)
    allows_any: bool = False

    @property
    def is_off(self) -> bool:
        return not self.servers and not self.rules.networks and not self.allows_any

    def find(self, host: str) -> SipServer | None:
        """The item of a host."""
        return next((server for server in self.servers if server.host == host.lower()), None)

    def may_name(self, host: str) -> bool:
        """Whether a page may have this domain or proxy; its addresses are still to be seen.

        A name must be listed itself: that it is at a listed address is no reason to look it up.
        """
        return self.allows_any or self.find(host) is not None or self.rules.names_address(host.lower())

    def allows(self, host: str, address: str, own: Iterable[str] = ()) -> bool:
        """Whether SIP may go to `address`, at which `host` is said to be. `own`: the addresses of this server."""
        name = host.lower()
        if not self.rules.allows(name, address, own):
            return False
        return self.find(name) is not None or self._is_listed(address) or reached_address(address).is_global

    def _is_listed(self, address: str) -> bool:
        reached = reached_address(address)
        return any(reached in network for network in self.rules.networks)


def read_servers(text: str) -> SipServers:
    """Read the list: items separated by commas. Raises ValueError, whose text completes "the setting ..."."""
    items = [item for item in map(str.strip, text.split(",")) if item]
    servers, hosts = [], []
    for item in items:
        host, *parameters = (part.strip() for part in item.split(";"))
        if host == "*" or "/" in host:
            if parameters:
                raise ValueError(f"has {item!r}: parameters need the name of one server")
            hosts.append(host)
        else:
            server = _server(item, host, parameters)
            servers.append(server)
            hosts.append(server.host)
    rules = read_rules(hosts)
    return SipServers(servers=tuple(servers), rules=rules, allows_any="*" in hosts)


def _server(item: str, place: str, parameters: Iterable[str]) -> SipServer:
    try:
        host, port = parse_host_port(place)
    except SipError:
        raise ValueError(f"has {item!r}, which is no server such as pbx.example.com:5060") from None
    pairs = (each.lower().partition("=") for each in parameters)
    given = {name.strip(): value.strip() for name, _, value in pairs}
    transport, fingerprint = given.pop("transport", None), given.pop("sha256", None)
    if transport is not None and transport not in TRANSPORTS:
        raise ValueError(f"has {item!r}; transports are {', '.join(TRANSPORTS)}")
    if fingerprint is not None:
        fingerprint = fingerprint.replace(":", "")
        if not _FINGERPRINT.fullmatch(fingerprint):
            raise ValueError(f"has {item!r}, whose sha256 is not 64 hex digits")
    if given:
        raise ValueError(f"has {item!r} with an unknown parameter; known are transport and sha256")
    return SipServer(host=host, port=port, transport=transport, fingerprint=fingerprint)
