"""Which address of ours a SIP server sees, or is told: in Via, where answers go, and in Contact, where calls go."""

import socket
from collections import OrderedDict
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final

from protocol.sip.messages.headers import seen_in
from protocol.sip.messages.message import ResponseMessage
from protocol.sip.transactions.machines import Hop

MAX_LEARNED: Final = 1_000
SOMEWHERE: Final = "192.0.2.1"  # of no network (RFC 5737)
_Way = tuple[str, int, str]


class SipAddresses:
    """See above. `public` maps an address of this machine to the one that the operator has set for it (`ip`).

    `bound` is the one address that SIP uses, if it does not use all.
    """

    def __init__(self, port: int, public: Mapping[str, str], *, bound: str | None = None) -> None:
        self._port = port
        self._public = public
        self._bound = bound
        self._learned: OrderedDict[_Way, tuple[str, int]] = OrderedDict()

    def sent_by(self, hop: Hop) -> tuple[str, int]:
        """The address that the system sends from to this hop, and our port."""
        return self._bound or local_address_towards(hop.host), self._port

    def contact_at(self, hop: Hop) -> tuple[str, int]:
        """What was set, else what the server itself has said, else as in Via. By TLS nothing but our connection."""
        learned = self._learned.get(_way(hop))
        if learned is not None and hop.transport == "tls":
            return learned
        local, port = self.sent_by(hop)
        public = self._public.get(local, local)
        if public != local:
            return public, port
        return learned or (local, port)

    def learn(self, hop: Hop, seen_as: tuple[str, int]) -> bool:
        """A server sees us there. Whether that is what our Contact says from now on."""
        way = _way(hop)
        self._learned[way] = seen_as
        self._learned.move_to_end(way)
        if len(self._learned) > MAX_LEARNED:
            self._learned.popitem(last=False)
        return self.contact_at(hop) == seen_as

    def suppose(self, hop: Hop, local: tuple[str, int]) -> None:
        """Our end of a connection by TLS, which may be seen elsewhere by its server."""
        self._learned.setdefault(_way(hop), local)

    def learn_from(self, response: ResponseMessage, hop: Hop) -> None:
        """The server at the other end of a connection says in its answer how it sees us."""
        seen_as = seen_in(response.headers)
        if seen_as is not None:
            self.learn(hop, seen_as)

    def forget(self, hop: Hop) -> None:
        """A connection is over."""
        if hop.transport == "tls":
            self._learned.pop(_way(hop), None)


def _way(hop: Hop) -> _Way:
    """What a server says of how it sees us is about this: a connection of TLS, or all else that goes to its address."""
    return (hop.host, hop.port, hop.name) if hop.transport == "tls" else (hop.host, 0, "")


def local_address_towards(host: str) -> str:
    """The address of this machine that packets to another one come from; nothing is sent.

    Towards a name that is not resolved yet, that of the default route.
    """
    target = host if _is_address(host) else SOMEWHERE
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((target, 9))
            return str(probe.getsockname()[0])
    except OSError:  # no way there, no such family, or no descriptor left
        return "::1" if family == socket.AF_INET6 else "127.0.0.1"


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
